"""The training loop: its step written out plainly, its records, when it stops."""

import contextlib
import copy

import pytest
import torch
from torch.nn import functional as F

from loaders.batches import TrainBatch
from models.step.tally import NotFiniteError
from models.trainer import Method
from tests.support.run_equality import assert_same_bits
from tests.support.tiny_trainer import class_vectors, tiny_trainer

B, MU = 4, 2
VECTORS = class_vectors()


class _Bar(contextlib.nullcontext):
    def update(self, _):
        """Count nothing."""

    def set_postfix(self, **_):
        """Show nothing."""

    def __enter__(self):
        return self


def _batch(seed=0, unlabelled=MU * B):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(B + 2 * unlabelled, 3, 16, 16, generator=generator).contiguous(
        memory_format=torch.channels_last
    )
    return TrainBatch(images=images, labels=torch.randint(0, 3, (B,), generator=generator))


def _epochs(count=5, **extra):
    return lambda epoch, first=0: (_batch(100 * epoch + step, **extra) for step in range(first, count))


def _train(trainer, batches=None, scores=()):
    """Train until done, with `scores` for what evaluations would find; returns for each epoch whether it was the best."""
    best, scores = [], iter(scores)
    while not trainer.is_done:
        trained = trainer.train_epoch((batches or _epochs())(trainer.history.epoch), bar=_Bar())
        score = float(next(scores, 1.0))
        trainer.finish_epoch(trained, {"top1": score, "valid_loss": score})
        best.append(trainer.history.is_best)
    return best


def _plain_step(model, optimizer, batch, step, total, method):
    """One step as the paper writes it, with nothing shared with the trainer but the network."""
    for group in optimizer.param_groups:
        group["lr"] = 0.05 * float(torch.cos(torch.tensor(7 * torch.pi * step / (16 * total), dtype=torch.float64)))
    output = model(batch.images)
    x, weak, strong = slice(0, B), slice(B, B + MU * B), slice(B + MU * B, None)
    probability, label = output.logits[weak].detach().softmax(1).max(1)
    m = (probability >= method.thr).float()
    z = output.embedding[weak].detach()
    cosines = F.normalize(z, dim=1) @ F.normalize(VECTORS, dim=1).T
    m_e, hint = (cosines.max(1).values >= 0.0).float(), cosines.argmax(1)
    target = VECTORS[hint]

    def cross_entropy(labels):
        return F.cross_entropy(output.logits[strong], labels, reduction="none")

    def distance(vectors):
        return 1 - F.cosine_similarity(output.embedding[strong], vectors)

    class_loss = F.cross_entropy(output.logits[x], batch.labels) + method.lam_u * (
        (m * cross_entropy(label)).mean() + method.lambda_emb / 3 * (m_e * cross_entropy(hint)).mean()
    )
    emb_loss = (1 - F.cosine_similarity(output.embedding[x], VECTORS[batch.labels])).mean() + method.lam_u * (
        (m_e * distance(target)).mean() + (m * distance(VECTORS[label])).mean()
    )
    loss = class_loss + method.lambda_emb * emb_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def test_steps_equal_the_paper_written_out():
    ours, plain = tiny_trainer(), tiny_trainer()
    averages = [parameter.clone() for parameter in plain.ema.module.parameters()]
    losses = []
    plain.model.train()
    for step in range(5):
        losses.append(_plain_step(plain.model, plain.optimizer, _batch(step), step, 10, plain.method))
        averages = [0.9 * old + 0.1 * new.detach() for old, new in zip(averages, plain.model.parameters(), strict=True)]
    record = ours.train_epoch(_epochs()(0), bar=_Bar())
    assert record["loss"] == pytest.approx(sum(losses) / 5, rel=1e-5)
    for one, two in zip(ours.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)
    for one, two in zip(ours.ema.module.parameters(), averages, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


def test_strong_views_apart_are_two_forward_passes_and_one_step():
    ours, plain = tiny_trainer(separate_strong=True), tiny_trainer()
    first = B + MU * B
    for step in range(3):
        batch = _batch(step)
        ours.model.train()
        ours.train_step(batch.images, batch.labels, step=step)
        model = plain.model.train()
        parts = [model(batch.images[:first])]
        kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
        parts.append(model(batch.images[first:]))
        joined = type(parts[0])(*(torch.cat(pair) for pair in zip(*parts, strict=True)))
        for group in plain.optimizer.param_groups:
            group["lr"] = ours.optimizer.param_groups[0]["lr"]
        plain.optimizer.zero_grad()
        plain._loss(joined, batch.labels).total.backward()
        plain.optimizer.step()
        model.load_state_dict(kept, strict=False)
    for name, value in ours.model.state_dict().items():
        torch.testing.assert_close(value, plain.model.state_dict()[name], msg=name)


def test_losses_weigh_what_their_ramp_says():
    ours, plain = tiny_trainer(ramps_up=True), tiny_trainer()
    batch = _batch()
    output = plain.model.train()(batch.images)
    for _ in range(30):  # beyond the start, where the unlabelled losses count nothing
        ours.ramp_up.update(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]))
    ours.model.train()
    ours.train_step(batch.images, batch.labels, step=0)
    parts = plain._loss(output, batch.labels, *ours.ramp_up.weights())
    lam_u, lambda_emb = map(float, ours.ramp_up.weights())
    reliability = float(ours.ramp_up.reliability())
    assert 0.05 < reliability < 0.5
    assert (lam_u, lambda_emb) == pytest.approx((0.5 * reliability, 1 + 2 * reliability))
    means, _ = ours.tally.read()
    assert means["total"] == pytest.approx(parts.total.item(), rel=1e-5)
    by_hand = parts.class_labelled + lambda_emb * parts.emb_labelled
    by_hand = by_hand + lam_u * (parts.class_unlabelled + lambda_emb * parts.emb_unlabelled)
    assert parts.total.item() == pytest.approx(by_hand.item(), rel=1e-5)
    assert plain._loss(output, batch.labels).total.item() > means["total"]


@pytest.mark.parametrize("for_short_runs", [False, True])
def test_the_share_of_the_gradient_changes_nothing(for_short_runs):
    trainer = tiny_trainer(separate_strong=for_short_runs, ramps_up=for_short_runs)
    trainer.train_epoch(_epochs()(0), bar=_Bar())
    trainer.model.eval()
    before = copy.deepcopy([trainer.model.state_dict(), trainer.tally.state_dict(), torch.get_rng_state()])
    gradients = [parameter.grad.clone() for parameter in trainer.model.parameters()]
    ramp = copy.deepcopy(trainer.ramp_up.state_dict()) if for_short_runs else {}
    found = trainer.gradient_share(_batch(7).images, _batch(7).labels)
    assert found.keys() == {"gradient_share_emb", "gradient_cosine"}
    assert 0 < found["gradient_share_emb"] < 1
    assert -1 <= found["gradient_cosine"] <= 1
    assert_same_bits(before, [trainer.model.state_dict(), trainer.tally.state_dict(), torch.get_rng_state()], "state")
    assert_same_bits(gradients, [parameter.grad for parameter in trainer.model.parameters()], "gradients")
    assert not ramp or all(torch.equal(value, trainer.ramp_up.state_dict()[name]) for name, value in ramp.items())


def test_the_share_of_the_gradient_is_that_of_the_backbone():
    trainer, batch = tiny_trainer(), _batch(3)
    found = trainer.gradient_share(batch.images, batch.labels)
    model = trainer.model.train()
    parts = trainer._loss(model(batch.images), batch.labels)
    emb_loss = 3.0 * (parts.emb_labelled + 0.5 * parts.emb_unlabelled)
    class_loss = parts.class_labelled + 0.5 * parts.class_unlabelled
    lengths, flat = [], []
    for loss in (class_loss, emb_loss):
        model.zero_grad()
        loss.backward(retain_graph=True)
        flat.append(torch.cat([parameter.grad.flatten() for parameter in model.backbone.parameters()]))
        lengths.append(flat[-1].norm().item())
    assert found["gradient_share_emb"] == pytest.approx(lengths[1] / sum(lengths), rel=1e-4)
    assert found["gradient_cosine"] == pytest.approx(F.cosine_similarity(*flat, dim=0).item(), rel=1e-3)


def test_no_share_where_one_loss_trains_the_backbone_or_none():
    batch = _batch()
    single = tiny_trainer(method=Method(thr=0.4, lam_u=0.5, lambda_emb=0.0, cotrain=True))
    assert single.gradient_share(batch.images, batch.labels) == {}
    frozen = tiny_trainer()
    frozen.model.freeze_backbone()
    assert frozen.gradient_share(batch.images, batch.labels) == {}


def test_the_record_says_how_reliable_pseudo_labels_are():
    trainer = tiny_trainer(ramps_up=True)
    _train(trainer)
    assert all(0 <= record["reliability"] <= 1 for record in trainer.history.records)
    plain = tiny_trainer()
    _train(plain)
    assert "reliability" not in plain.history.records[0]


def test_the_same_run_twice_is_bit_identical():
    runs = [tiny_trainer() for _ in range(2)]
    for trainer in runs:
        _train(trainer)
    for one, two in zip(*(trainer.ema.module.state_dict().values() for trainer in runs), strict=True):
        assert torch.equal(one, two)


def test_records():
    trainer = tiny_trainer()
    assert _train(trainer) == [True, False]
    first, second = trainer.history.records
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (1, 5, 2, 10)
    assert 0 <= first["mask_rate"] <= first["any_mask_rate"] <= 1
    assert second["lr"] < first["lr"] < 0.05
    assert first["images_per_second"] > 0
    assert trainer.history.best_epoch == 1
    assert first["skipped_steps"] == 0


def test_supervised_steps_see_labelled_images_only():
    trainer = tiny_trainer(method=Method(thr=0.4, lam_u=0.0, lambda_emb=0.0, cotrain=True))
    record = trainer.train_epoch(_epochs(unlabelled=0)(0), bar=_Bar())
    assert record["loss"] == pytest.approx(record["class_labelled"])
    assert record["mask_rate"] == record["emb_mask_rate"] == 0


@pytest.mark.parametrize(
    ("settings", "scores", "epochs"),
    [
        ({}, [5, 4, 3, 2, 1], 5),
        ({"early_stopping_epochs": 2}, [5, 4, 3, 2, 1], 3),
        ({"early_stopping_epochs": 2}, [1, 2, 1, 3, 1], 5),
        ({"early_stopping_epochs": 2, "min_wait_before_es": 2}, [5, 4, 3, 2, 1], 4),
        ({"early_stopping_epochs": 1, "es_metric": "loss"}, [1, 2, 3, 4, 5], 2),
    ],
)
def test_early_stopping(settings, scores, epochs):
    trainer = tiny_trainer(epochs=5, **settings)
    _train(trainer, scores=scores)
    assert trainer.history.epoch == epochs


def _broken_batches(*broken, count=30):
    """Batches of which those at `broken` are not numbers."""

    def batches(epoch, first=0):
        for step in range(first, count):
            batch = _batch(step)
            yield TrainBatch(batch.images * (float("nan") if step in broken else 1), batch.labels)

    return batches


def test_a_loss_that_is_not_finite_stops_the_run():
    trainer = tiny_trainer(steps=30)
    message = r"no longer finite at step 7 \(total nan, class_labelled nan, .*mask_rate .*--lr.*--on-nan skip"
    with pytest.raises(NotFiniteError, match=message):
        _train(trainer, _broken_batches(7))
    assert trainer.history.records == []


def test_a_broken_run_is_not_worth_keeping():
    trainer = tiny_trainer(steps=30)
    saved = []

    def batches(epoch):
        for batch in _broken_batches(7)(epoch):
            if trainer.history.steps == 10:
                saved.append(trainer.state_dict())
            yield batch

    with pytest.raises(NotFiniteError, match="at step 7"):
        _train(trainer, batches)
    assert trainer.history.steps == 10
    assert saved == []


@pytest.mark.parametrize("ramps_up", [False, True])
def test_a_skipped_step_leaves_nothing_behind(ramps_up):
    """Steps that are left out must be as if they had never been, but for the learning rate, which goes by the step."""
    trainer = tiny_trainer(steps=8, most_skipped=3, ramps_up=ramps_up)
    plain = tiny_trainer(steps=8, ramps_up=ramps_up)
    record = trainer.train_epoch(_broken_batches(0, 3, 4, count=8)(0), bar=_Bar())
    plain.model.train()
    for step in (1, 2, 5, 6, 7):
        batch = _batch(step)
        plain.train_step(batch.images, batch.labels, step=step)
    assert record["skipped_steps"] == 3
    assert record["loss"] == plain.tally.read()[0]["total"]
    for kept, wanted in (
        (trainer.model.state_dict(), plain.model.state_dict()),
        (trainer.ema.module.state_dict(), plain.ema.module.state_dict()),
        *([(trainer.ramp_up.state_dict(), plain.ramp_up.state_dict())] if ramps_up else []),
    ):
        for name, value in kept.items():
            assert torch.equal(value, wanted[name]), name
    momentum = [state["momentum_buffer"] for state in trainer.optimizer.state.values()]
    for one, two in zip(momentum, (state["momentum_buffer"] for state in plain.optimizer.state.values()), strict=True):
        assert torch.equal(one, two)


def test_too_many_skipped_steps_stop_the_run():
    trainer = tiny_trainer(steps=30, most_skipped=2)
    with pytest.raises(NotFiniteError, match=r"3 steps were not finite .* the first of them at step 4 .*allows 2"):
        _train(trainer, _broken_batches(4, 5, 6))


def test_weights_that_are_not_finite_are_a_broken_step_too():
    """A finite loss may have a gradient that is not, so the guard looks at the weights."""
    trainer, batch = tiny_trainer(most_skipped=5), _batch()
    trainer.model.train()
    hook = trainer.model.fc_classes.weight.register_hook(lambda gradient: gradient / 0)
    before = trainer.model.fc_classes.weight.detach().clone()
    trainer.train_step(batch.images, batch.labels, step=0)
    assert torch.equal(trainer.model.fc_classes.weight, before)
    hook.remove()
    trainer.train_step(batch.images, batch.labels, step=1)
    assert not torch.equal(trainer.model.fc_classes.weight, before)
    assert (int(trainer.tally.broken), int(trainer.tally.first_broken)) == (1, 0)


@pytest.mark.parametrize("most_skipped", [0, 5])
def test_a_step_never_waits_for_the_device(monkeypatch, most_skipped):
    """Reading a tensor on the host is what would make a GPU wait."""
    trainer, batch = tiny_trainer(most_skipped=most_skipped), _batch()
    trainer.model.train()
    calls = []
    for name in ("item", "cpu", "tolist", "numpy", "__bool__", "__float__", "__int__"):
        original = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor,
            name,
            lambda self, *a, _name=name, _original=original, **k: (calls.append(_name), _original(self, *a, **k))[1],
        )
    trainer.train_step(batch.images, batch.labels, step=0)
    assert calls == []
    trainer.tally.read()
    assert calls
