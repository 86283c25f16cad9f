"""The loss: its special cases, its gradients, its numbers."""

import pytest
import torch
from torch.nn import functional as F

from models.label_guessor import LabelGuessor
from models.losses import co_training_loss, supervised_loss

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
        "strong_logits": draw(U, C),
        "strong_embedding": draw(U, D),
        "guess": guessor(torch.randn(U, D, generator=generator)),
        "class_vectors": guessor.class_vectors,
        "threshold": 0.5,
    }


def _gradients(inputs, parts):
    names = [name for name, value in inputs.items() if isinstance(value, torch.Tensor) and value.requires_grad]
    found = torch.autograd.grad(parts.total, [inputs[name] for name in names], allow_unused=True, retain_graph=True)
    return dict(zip(names, found, strict=True))


def test_without_embedding_loss_it_is_fixmatch(inputs):
    parts = co_training_loss(**inputs, lam_u=0.7, lambda_emb=0)
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
    parts = co_training_loss(**inputs, lam_u=0, lambda_emb=0)
    plain = F.cross_entropy(inputs["labelled_logits"], inputs["labels"])
    assert parts.total.item() == pytest.approx(plain.item(), abs=1e-6)
    alone = supervised_loss(
        **{name: inputs[name] for name in ("labelled_logits", "labelled_embedding", "labels", "class_vectors")},
        lambda_emb=0,
    )
    assert alone.total.item() == parts.total.item()
    assert alone.mask_rate == 0


def test_no_gradient_into_the_weak_views(inputs):
    assert _gradients(inputs, co_training_loss(**inputs, lam_u=1, lambda_emb=3))["weak_logits"] is None


def test_each_head_learns_from_the_other_only_when_cotrained(inputs):
    nobody = inputs["guess"]._replace(mask=torch.zeros(U))
    everybody = inputs["guess"]._replace(mask=torch.ones(U))
    for cotrain in (True, False):
        silent = co_training_loss(**{**inputs, "guess": nobody}, lam_u=1, lambda_emb=3, cotrain=cotrain)
        loud = co_training_loss(**{**inputs, "guess": everybody}, lam_u=1, lambda_emb=3, cotrain=cotrain)
        # The class head hears the embedding head's guesses ...
        assert (silent.class_unlabelled.item() != loud.class_unlabelled.item()) == cotrain
    for cotrain in (True, False):
        deaf = co_training_loss(**{**inputs, "threshold": 2.0}, lam_u=1, lambda_emb=3, cotrain=cotrain)
        eager = co_training_loss(**{**inputs, "threshold": 0.0}, lam_u=1, lambda_emb=3, cotrain=cotrain)
        # ... and the other way round.
        assert (deaf.emb_unlabelled.item() != eager.emb_unlabelled.item()) == cotrain


def test_rates(inputs):
    mask = torch.zeros(U)
    mask[:3] = 1
    parts = co_training_loss(**{**inputs, "guess": inputs["guess"]._replace(mask=mask)}, lam_u=1, lambda_emb=3)
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
        mixed = co_training_loss(**low, lam_u=1, lambda_emb=3)
    plain = co_training_loss(**high, lam_u=1, lambda_emb=3)
    assert all(part.dtype is torch.float32 for part in mixed)
    assert [part.item() for part in mixed] == [part.item() for part in plain]


def test_a_zero_embedding_gives_no_nan(inputs):
    inputs["labelled_embedding"] = torch.zeros(B, D, requires_grad=True)
    parts = co_training_loss(**inputs, lam_u=1, lambda_emb=3)
    assert all(gradient.isfinite().all() for gradient in _gradients(inputs, parts).values() if gradient is not None)
