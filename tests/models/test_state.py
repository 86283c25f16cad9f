"""A trainer's state survives a checkpoint, and nothing else is taken for one."""

import pytest
import torch

from models.state import capture_state, restore_state
from models.step.tally import NotFiniteError
from tests.support.tiny_trainer import tiny_trainer
from utils.errors import SemcoError
from utils.run.checkpoint import load_checkpoint, save_checkpoint


def _step(trainer, step):
    generator = torch.Generator().manual_seed(step)
    trainer.model.train()
    trainer.train_step(
        torch.randn(10, 3, 16, 16, generator=generator), torch.randint(0, 3, (2,), generator=generator), step=step
    )


@pytest.mark.parametrize("for_short_runs", [False, True])
@pytest.mark.parametrize("kind", ["sgd", "adamw"])
@pytest.mark.parametrize("most_skipped", [0, 5])
def test_a_copy_goes_on_alike(tmp_path, most_skipped, kind, for_short_runs):
    settings = {"most_skipped": most_skipped, "optimizer": kind}
    settings |= {"separate_strong": for_short_runs, "ramps_up": for_short_runs}
    trainer, copy = tiny_trainer(**settings), tiny_trainer(seed=1, **settings)
    for step in range(3):
        _step(trainer, step)
    trainer.history.steps, trainer.history.seconds = 3, 1.5
    save_checkpoint(tmp_path / "last.pth", capture_state(trainer))
    torch.rand(5)  # the generator moves on, and must come back
    restore_state(copy, load_checkpoint(tmp_path / "last.pth"))
    drawn = torch.rand(5)
    restore_state(copy, load_checkpoint(tmp_path / "last.pth"))
    assert torch.equal(torch.rand(5), drawn)
    assert copy.history == trainer.history
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
    if for_short_runs:
        assert copy.ramp_up.reliability() == trainer.ramp_up.reliability() > 0


def test_a_ramp_needs_its_state():
    trainer = tiny_trainer()
    _step(trainer, 0)
    assert "ramp_up" not in capture_state(trainer)
    with pytest.raises(SemcoError, match="does not fit this run"):
        restore_state(tiny_trainer(ramps_up=True), capture_state(trainer))


def test_the_learning_rate_of_a_checkpoint_is_not_taken_over():
    trainer, copy = tiny_trainer(), tiny_trainer(seed=1)
    _step(trainer, 9)
    restore_state(copy, capture_state(trainer))
    assert copy.optimizer.param_groups[0]["lr"] == 0.05


def test_broken_weights_are_not_captured():
    trainer = tiny_trainer()
    with torch.no_grad():
        trainer.ema.module.fc_classes.bias[0] = float("nan")
    with pytest.raises(NotFiniteError, match="weights are no longer finite"):
        capture_state(trainer)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["model", "ema"])
def test_broken_running_statistics_are_not_captured(part, broken):
    trainer = tiny_trainer()
    module = trainer.model if part == "model" else trainer.ema.module
    next(module.buffers())[0] = broken
    with pytest.raises(NotFiniteError, match="running statistics are no longer finite after step"):
        capture_state(trainer)


@pytest.mark.parametrize(
    "change",
    [
        {"model": {}}, {"ema": {"w": 1}}, {"optimizer": {0: {"momentum_buffer": torch.zeros(1)}, 99: {}}}, {"optimizer": 5},
        {"optimizer": {}},
        {"tally": {}}, {"tally": {"sums": "no"}}, {"rng": {}}, {"rng": {"cpu": torch.zeros(3)}}, {"precision": None, "rng": None},
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_line(change):
    trainer = tiny_trainer()
    _step(trainer, 0)
    with pytest.raises(SemcoError, match="does not fit this run"):
        restore_state(tiny_trainer(), {**capture_state(trainer), **change})


@pytest.mark.parametrize("part", ["model", "ema"])
def test_weights_are_not_converted_unseen(part):
    state = capture_state(tiny_trainer())
    name = next(name for name, value in state[part].items() if value.is_floating_point())
    state[part][name] = state[part][name].long()
    with pytest.raises(SemcoError, match=f"{name} is torch.int64, expected torch.float32"):
        restore_state(tiny_trainer(), state)


@pytest.mark.parametrize(("kind", "other"), [("sgd", "adamw"), ("adamw", "sgd")])
def test_the_state_of_another_optimiser(kind, other):
    trainer = tiny_trainer(optimizer=kind)
    _step(trainer, 0)
    with pytest.raises(SemcoError, match="does not fit this run .*another kind or shape"):
        restore_state(tiny_trainer(optimizer=other), capture_state(trainer))


@pytest.mark.parametrize("name", ["step", "exp_avg", "exp_avg_sq"])
def test_adamws_state_is_complete(name):
    trainer = tiny_trainer(optimizer="adamw")
    state = capture_state(trainer)
    del state["optimizer"][3][name]
    with pytest.raises(SemcoError, match="does not fit this run"):
        restore_state(tiny_trainer(optimizer="adamw"), state)


def test_another_network():
    with pytest.raises(SemcoError, match="does not fit this run"):
        restore_state(tiny_trainer(classes=4), capture_state(tiny_trainer()))
