"""A trainer's state survives a checkpoint, and nothing else is taken for one."""

import pytest
import torch

from models.ema import ModelEma
from models.label_guessor import LabelGuessor
from models.optim import build_optimizer
from models.precision import TorchPrecision
from models.progressed import Schedule
from models.run_state import capture_state, restore_state
from models.tally import NotFiniteError
from models.trainer import Method, Trainer
from models.two_head import build_model
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.errors import SemcoError

CPU = torch.device("cpu")


def _trainer(*, seed=0, classes=3, most_skipped=0):
    torch.manual_seed(seed)
    model = build_model(backbone="wres", num_classes=classes, embedding_dim=4, wres_depth=10, wres_width=1)
    vectors = torch.randn(classes, 4, generator=torch.Generator().manual_seed(3))
    return Trainer(
        network=model,
        model=model,
        ema=ModelEma(model, decay=0.9),
        guessor=LabelGuessor(vectors, torch.arange(classes), thr_emb=0.0),
        optimizer=build_optimizer(model, lr=0.05, momentum=0.9, weight_decay=5e-4),
        precision=TorchPrecision(CPU, torch.float32),
        method=Method(thr=0.4, lam_u=0.5, lambda_emb=3.0, cotrain=True),
        schedule=Schedule(
            steps_per_epoch=10, total_steps=10, last_epoch=1, lr=0.05, early_stopping_epochs=0, min_wait_before_es=-1,
            es_metric="accuracy",
        ),
        device=CPU,
        most_skipped=most_skipped,
    )  # fmt: skip


def _step(trainer, step):
    generator = torch.Generator().manual_seed(step)
    trainer.model.train()
    trainer.train_step(
        torch.randn(10, 3, 16, 16, generator=generator), torch.randint(0, 3, (2,), generator=generator), step=step
    )


@pytest.mark.parametrize("most_skipped", [0, 5])
def test_a_copy_goes_on_alike(tmp_path, most_skipped):
    trainer, copy = _trainer(most_skipped=most_skipped), _trainer(seed=1, most_skipped=most_skipped)
    for step in range(3):
        _step(trainer, step)
    trainer.progressed.steps, trainer.progressed.seconds = 3, 1.5
    save_checkpoint(tmp_path / "last.pth", capture_state(trainer))
    torch.rand(5)  # the generator moves on, and must come back
    restore_state(copy, load_checkpoint(tmp_path / "last.pth"))
    drawn = torch.rand(5)
    restore_state(copy, load_checkpoint(tmp_path / "last.pth"))
    assert torch.equal(torch.rand(5), drawn)
    assert copy.progressed == trainer.progressed
    for one in (trainer, copy):
        for step in range(3, 6):
            _step(one, step)
    for mine, theirs in (
        (trainer.model, copy.model),
        (trainer.ema.module, copy.ema.module),
    ):
        for name, value in mine.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[name]), name
    assert copy.tally.read() == trainer.tally.read()


def test_the_learning_rate_of_a_checkpoint_is_not_taken_over():
    trainer, copy = _trainer(), _trainer(seed=1)
    _step(trainer, 9)
    restore_state(copy, capture_state(trainer))
    assert copy.optimizer.param_groups[0]["lr"] == 0.05


def test_broken_weights_are_not_captured():
    trainer = _trainer()
    with torch.no_grad():
        trainer.ema.module.fc_classes.bias[0] = float("nan")
    with pytest.raises(NotFiniteError, match="weights are no longer finite"):
        capture_state(trainer)


@pytest.mark.parametrize(
    "change",
    [
        {"model": {}}, {"ema": {"w": 1}}, {"optimizer": {0: {"momentum_buffer": torch.zeros(1)}, 99: {}}}, {"optimizer": 5},
        {"tally": {}}, {"tally": {"sums": "no"}}, {"rng": {}}, {"rng": {"cpu": torch.zeros(3)}}, {"precision": None, "rng": None},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(change):
    trainer = _trainer()
    _step(trainer, 0)
    with pytest.raises(SemcoError, match="does not fit this run"):
        restore_state(_trainer(), {**capture_state(trainer), **change})


def test_another_network():
    with pytest.raises(SemcoError, match="does not fit this run"):
        restore_state(_trainer(classes=4), capture_state(_trainer()))
