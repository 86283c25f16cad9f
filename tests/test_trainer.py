"""The training loop: its step written out plainly, its records, when it stops."""

import contextlib

import pytest
import torch
from torch.nn import functional as F

from loaders.batches import TrainBatch
from models.ema import ModelEma
from models.label_guessor import LabelGuessor
from models.optim import build_optimizer
from models.precision import TorchPrecision
from models.trainer import Method, Schedule, Trainer
from models.two_head import build_model
from utils.errors import SemcoError

CPU = torch.device("cpu")
B, MU = 4, 2
VECTORS = torch.randn(3, 4, generator=torch.Generator().manual_seed(3))


class _Bar(contextlib.nullcontext):
    def update(self, _):
        """Count nothing."""

    def set_postfix(self, **_):
        """Show nothing."""

    def __enter__(self):
        return self


def _trainer(*, steps=5, epochs=2, method=None, **schedule):
    torch.manual_seed(0)
    model = build_model(backbone="wres", num_classes=3, embedding_dim=4, wres_depth=10, wres_width=1, bn_momentum=0.1)
    model = model.to(memory_format=torch.channels_last)
    settings = {"early_stopping_epochs": 0, "min_wait_before_es": -1, "es_metric": "accuracy", **schedule}
    return Trainer(
        network=model,
        model=model,
        ema=ModelEma(model, decay=0.9),
        guessor=LabelGuessor(VECTORS, torch.arange(3), thr_emb=0.0),
        optimizer=build_optimizer(model, lr=0.05, momentum=0.9, weight_decay=5e-4),
        precision=TorchPrecision(CPU, torch.float32),
        method=method or Method(thr=0.4, lam_u=0.5, lambda_emb=3.0, cotrain=True),
        schedule=Schedule(steps_per_epoch=steps, total_steps=steps * epochs, last_epoch=epochs, lr=0.05, **settings),
        device=CPU,
    )


def _batch(seed=0, unlabelled=MU * B):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(B + 2 * unlabelled, 3, 16, 16, generator=generator).contiguous(
        memory_format=torch.channels_last
    )
    return TrainBatch(images=images, labels=torch.randint(0, 3, (B,), generator=generator))


def _epochs(count=5, **extra):
    return lambda epoch: (_batch(100 * epoch + step, **extra) for step in range(count))


def _fit(trainer, evaluate=None, batches=None):
    best = []
    trainer.fit(
        epoch_batches=batches or _epochs(),
        evaluate=evaluate or (lambda: {"top1": 1.0, "valid_loss": 1.0}),
        on_epoch=best.append,
        bar=lambda _: _Bar(),
    )
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
    ours, plain = _trainer(), _trainer()
    averages = [parameter.clone() for parameter in plain.ema.module.parameters()]
    losses = []
    plain.model.train()
    for step in range(5):
        losses.append(_plain_step(plain.model, plain.optimizer, _batch(step), step, 10, plain.method))
        averages = [0.9 * old + 0.1 * new.detach() for old, new in zip(averages, plain.model.parameters(), strict=True)]
    record = ours.train_epoch(_epochs()(0), epoch=0, bar=_Bar())
    assert record["loss"] == pytest.approx(sum(losses) / 5, rel=1e-5)
    for one, two in zip(ours.model.parameters(), plain.model.parameters(), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)
    for one, two in zip(ours.ema.module.parameters(), averages, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


def test_the_same_run_twice_is_bit_identical():
    runs = [_trainer() for _ in range(2)]
    for trainer in runs:
        _fit(trainer)
    for one, two in zip(*(trainer.state_dict()["ema"].values() for trainer in runs), strict=True):
        assert torch.equal(one, two)


def test_records():
    trainer = _trainer()
    assert _fit(trainer) == [True, False]
    first, second = trainer.progressed.history
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (1, 5, 2, 10)
    assert 0 <= first["mask_rate"] <= first["any_mask_rate"] <= 1
    assert second["lr"] < first["lr"] < 0.05
    assert first["images_per_second"] > 0
    assert trainer.progressed.best_epoch == 1
    state = trainer.state_dict()
    assert set(state) >= {"model", "ema", "optimizer", "precision", "epoch", "best_epoch", "history"}


def test_supervised_steps_see_labelled_images_only():
    trainer = _trainer(method=Method(thr=0.4, lam_u=0.0, lambda_emb=0.0, cotrain=True))
    record = trainer.train_epoch(_epochs(unlabelled=0)(0), epoch=0, bar=_Bar())
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
    trainer = _trainer(epochs=5, **settings)
    figures = iter(scores)

    def evaluate():
        score = next(figures)
        return {"top1": float(score), "valid_loss": float(score)}

    _fit(trainer, evaluate)
    assert trainer.progressed.epoch == epochs


def test_a_loss_that_is_not_finite_stops_the_run():
    trainer = _trainer(steps=30)

    def batches(epoch):
        for step in range(30):
            batch = _batch(step)
            yield TrainBatch(batch.images * (float("nan") if step == 7 else 1), batch.labels)

    with pytest.raises(SemcoError, match=r"no longer finite at step 7 .*--lr"):
        _fit(trainer, batches=batches)
    assert trainer.progressed.history == []


def test_a_step_never_waits_for_the_device(monkeypatch):
    """Reading a tensor on the host is what would make a GPU wait."""
    trainer, batch = _trainer(), _batch()
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
    trainer._read(1)
    assert calls
