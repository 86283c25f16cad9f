"""When a run saves and when it leaves."""

import itertools
import signal
import types

import pytest
import torch

from utils.processes.world import World
from utils.run import saving
from utils.run.saving import Saving
from utils.stopping import Stopped

ALONE = World(rank=0, size=1, device=torch.device("cpu"))


class _Run:
    """A trainer and a run folder in one, which count what is saved; `now` is the time in seconds."""

    def __init__(self, monkeypatch, *, minutes=10.0, world=ALONE):
        self.history, self.saved, self.now = types.SimpleNamespace(epoch=0, steps=0), [], 0.0
        monkeypatch.setattr(saving.time, "perf_counter", lambda: self.now)
        self.request = types.SimpleNamespace(number=None)
        self.saving = Saving(folder=self, trainer=self, minutes=minutes, request=self.request, world=world)
        self._steps = self.saving.between_steps(itertools.count())
        next(self._steps)

    def state_dict(self):
        return self.history.epoch, self.history.steps

    def save(self, state):
        self.saved.append(state)

    def write_epoch(self, state, *, is_best):
        self.saved.append((*state, is_best))

    def step(self, *, seconds=0.0):
        self.history.steps += 1
        self.now += seconds
        next(self._steps)


def test_by_time(monkeypatch):
    run = _Run(monkeypatch)
    for _ in range(9):
        run.step(seconds=250)
    assert run.saved == [(0, 3), (0, 6), (0, 9)]


def test_an_epochs_end_resets_the_time(monkeypatch):
    run = _Run(monkeypatch)
    run.step(seconds=500)
    run.saving.finish_epoch(is_best=True)
    run.step(seconds=500)
    assert run.saved == [(0, 1, True)]
    run.step(seconds=500)
    assert run.saved == [(0, 1, True), (0, 3)]


def test_no_time_no_saving(monkeypatch):
    run = _Run(monkeypatch, minutes=0)
    run.step(seconds=1e9)
    assert run.saved == []


def test_a_signal(monkeypatch):
    run = _Run(monkeypatch)
    run.step()
    run.request.number = signal.SIGTERM
    with pytest.raises(Stopped):
        run.step()
    assert run.saved == [(0, 2)]
    with pytest.raises(Stopped):
        list(run.saving.between_steps(["a step that was made before"]))
    assert run.saved == [(0, 2)]  # nothing is new


def test_an_evaluation_is_watched(monkeypatch):
    run = _Run(monkeypatch)
    run.history.steps = 8
    seen = []
    with pytest.raises(Stopped):
        for item in run.saving.between_batches("abc"):
            seen.append(item)
            run.request.number = signal.SIGINT if item == "b" else None
    assert seen == ["a", "b"]
    assert run.saved == [(0, 8)]


def test_several_processes_leave_after_the_same_step(monkeypatch):
    """The other process has the signal: this one hears of it where they agree, not in the middle of its evaluation."""
    world = types.SimpleNamespace(rank=0, size=2, device=torch.device("cpu"), asked=0)

    def add(numbers):
        world.asked += 1
        return numbers + torch.tensor([0.0, float(signal.SIGTERM)]) * (world.asked > 1)

    world.sum, passed = add, []
    world.after_main = passed.append  # where the others wait until the main process has saved
    run = _Run(monkeypatch, world=world)
    for _ in range(20):
        run.step()
    assert world.asked == 1
    assert list(run.saving.between_batches("abc")) == ["a", "b", "c"]
    assert world.asked == 1
    with pytest.raises(Stopped) as caught:
        for _ in range(40):
            run.step()
    assert run.history.steps == 40
    assert (run.saved, passed) == ([(0, 40)], ["stop at 0, 40"])
    assert caught.value.exit_code == 143
