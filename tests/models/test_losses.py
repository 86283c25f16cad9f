"""The loss: its special cases, its gradients, its numbers."""

import pytest
import torch
from jaxtyping import TypeCheckError
from torch.nn import functional as F

from models.label_guessor import LabelGuessor
from models.losses import co_training_loss, supervised_loss
from models.networks.two_head import NetOutput

B, U, C, D = 6, 14, 5, 8


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator).requires_grad_()

    guessor = LabelGuessor(torch.randn(C, D, generator=generator), torch.tensor([0, 0, 1, 2, 3]), thr_emb=0.2)
    return {
        "labelled_logits": draw(B, C),
        "labelled_embedding": draw(B, D),
        "labels": torch.randint(0, C, (B,), generator=generator),
        "weak_logits": draw(U, C),
        "weak_embedding": draw(U, D),
        "strong_logits": draw(U, C),
        "strong_embedding": draw(U, D),
        "guess": guessor(torch.randn(U, D, generator=generator)),
        "class_vectors": guessor.class_vectors,
        "thr": 0.5,
    }


def _loss(inputs, **settings):
    """Compute the loss of the tensors in `inputs`, which are parts of the network's output under flat names."""
    outputs = {
        part: NetOutput(inputs[f"{part}_logits"], inputs[f"{part}_embedding"], inputs[f"{part}_logits"][:, :1])
        for part in ("labelled", "weak", "strong")
    }
    rest = {name: inputs[name] for name in ("labels", "guess", "class_vectors", "thr")}
    return co_training_loss(**outputs, **rest, **settings)


def _gradients(inputs, parts):
    names = [name for name, value in inputs.items() if isinstance(value, torch.Tensor) and value.requires_grad]
    found = torch.autograd.grad(parts.total, [inputs[name] for name in names], allow_unused=True, retain_graph=True)
    return dict(zip(names, found, strict=True))


def test_without_embedding_loss_it_is_fixmatch(inputs):
    parts = _loss(inputs, lam_u=0.7, lambda_emb=0.0)
    probability, label = inputs["weak_logits"].softmax(1).max(1)
    each = F.cross_entropy(inputs["strong_logits"], label, reduction="none")
    fixmatch = F.cross_entropy(inputs["labelled_logits"], inputs["labels"]) + 0.7 * (each * (probability >= 0.5)).mean()
    assert parts.total.item() == pytest.approx(fixmatch.item(), abs=1e-6)
    ours = _gradients(inputs, parts)
    wanted = torch.autograd.grad(fixmatch, [inputs["labelled_logits"], inputs["strong_logits"]])
    torch.testing.assert_close(ours["labelled_logits"], wanted[0])
    torch.testing.assert_close(ours["strong_logits"], wanted[1])
    assert not ours["strong_embedding"].any()


def test_without_unlabelled_weight_it_is_supervised(inputs):
    parts = _loss(inputs, lam_u=0.0, lambda_emb=0.0)
    plain = F.cross_entropy(inputs["labelled_logits"], inputs["labels"])
    assert parts.total.item() == pytest.approx(plain.item(), abs=1e-6)
    labelled = NetOutput(inputs["labelled_logits"], inputs["labelled_embedding"], inputs["labelled_logits"][:, :1])
    alone = supervised_loss(
        labelled=labelled, labels=inputs["labels"], class_vectors=inputs["class_vectors"], lambda_emb=0.0
    )
    assert alone.total.item() == parts.total.item()
    assert alone.mask_rate == 0


def test_no_gradient_into_the_weak_views(inputs):
    assert _gradients(inputs, _loss(inputs, lam_u=1.0, lambda_emb=3.0))["weak_logits"] is None


def test_each_head_learns_from_the_other_only_when_cotrained(inputs):
    nobody = inputs["guess"]._replace(mask=torch.zeros(U))
    everybody = inputs["guess"]._replace(mask=torch.ones(U))
    for cotrain in (True, False):
        silent = _loss({**inputs, "guess": nobody}, lam_u=1.0, lambda_emb=3.0, cotrain=cotrain)
        loud = _loss({**inputs, "guess": everybody}, lam_u=1.0, lambda_emb=3.0, cotrain=cotrain)
        # The class head hears the embedding head's guesses ...
        assert (silent.class_unlabelled.item() != loud.class_unlabelled.item()) == cotrain
    for cotrain in (True, False):
        deaf = _loss({**inputs, "thr": 2.0}, lam_u=1.0, lambda_emb=3.0, cotrain=cotrain)
        eager = _loss({**inputs, "thr": 0.0}, lam_u=1.0, lambda_emb=3.0, cotrain=cotrain)
        # ... and the other way round.
        assert (deaf.emb_unlabelled.item() != eager.emb_unlabelled.item()) == cotrain


def test_rates(inputs):
    mask = torch.zeros(U)
    mask[:3] = 1
    parts = _loss({**inputs, "guess": inputs["guess"]._replace(mask=mask)}, lam_u=1.0, lambda_emb=3.0)
    own = inputs["weak_logits"].softmax(1).max(1).values >= 0.5
    assert parts.mask_rate.item() == pytest.approx(own.float().mean().item())
    assert parts.emb_mask_rate.item() == pytest.approx(3 / U)
    assert parts.any_mask_rate.item() == pytest.approx((own | mask.bool()).float().mean().item())


def test_low_precision_outputs_are_summed_in_float32(inputs):
    low = {
        name: value.bfloat16() if name in ("labelled_logits", "strong_logits", "strong_embedding") else value
        for name, value in inputs.items()
    }
    high = {
        name: value.float() if name in low and isinstance(value, torch.Tensor) and value.is_floating_point() else value
        for name, value in low.items()
    }
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = _loss(low, lam_u=1.0, lambda_emb=3.0)
    plain = _loss(high, lam_u=1.0, lambda_emb=3.0)
    assert all(part.dtype is torch.float32 for part in mixed)
    assert [part.item() for part in mixed] == [part.item() for part in plain]


def test_a_zero_embedding_gives_no_nan(inputs):
    inputs["labelled_embedding"] = torch.zeros(B, D, requires_grad=True)
    parts = _loss(inputs, lam_u=1.0, lambda_emb=3.0)
    assert all(gradient.isfinite().all() for gradient in _gradients(inputs, parts).values() if gradient is not None)


def test_shapes_that_do_not_belong_together_are_refused(inputs):
    """The annotations are checked while the tests run, so a mixed-up tensor is named instead of broadcast."""
    with pytest.raises(TypeCheckError, match="labels"):
        _loss({**inputs, "labels": inputs["labels"].float()}, lam_u=1.0, lambda_emb=3.0)
