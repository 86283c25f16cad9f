"""When a run saves and when it leaves."""

import signal
import types

import pytest
import torch

from utils.processes.signals import Stopped
from utils.processes.world import World
from utils.run import saving as safe_points
from utils.run.saving import SafePoints

ALONE = World(rank=0, size=1, device=torch.device("cpu"))


class _Run:
    """A run that stands at `place` and counts its savings; `now` is the time in seconds."""

    def __init__(self, monkeypatch, *, minutes=10.0, world=ALONE):
        self.place, self.saved, self.now = (0, 0), [], 0.0
        monkeypatch.setattr(safe_points.time, "perf_counter", lambda: self.now)
        self.request = types.SimpleNamespace(number=None)
        self.points = SafePoints(
            place=lambda: self.place,
            save=lambda: self.saved.append(self.place),
            minutes=minutes,
            request=self.request,
            world=world,
        )

    def step(self, *, seconds=0.0):
        self.place = (self.place[0], self.place[1] + 1)
        self.now += seconds
        self.points()


def test_by_time(monkeypatch):
    run = _Run(monkeypatch)
    for _ in range(9):
        run.step(seconds=250)
    assert run.saved == [(0, 3), (0, 6), (0, 9)]


def test_an_epochs_end_resets_the_time(monkeypatch):
    run = _Run(monkeypatch)
    run.step(seconds=500)
    run.points.saved()
    run.step(seconds=500)
    assert run.saved == []
    run.step(seconds=500)
    assert run.saved == [(0, 3)]


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
        run.points()
    assert run.saved == [(0, 2)]  # nothing is new


def test_an_evaluation_is_watched(monkeypatch):
    run = _Run(monkeypatch)
    run.place = (0, 8)
    seen = []
    with pytest.raises(Stopped):
        for item in run.points.watch("abc"):
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

    world.sum = add
    run = _Run(monkeypatch, world=world)
    for _ in range(20):
        run.step()
    assert world.asked == 1
    assert list(run.points.watch("abc")) == ["a", "b", "c"]
    assert world.asked == 1
    with pytest.raises(Stopped) as caught:
        for _ in range(40):
            run.step()
    assert run.place == (0, 40)
    assert run.saved == [(0, 40)]
    assert caught.value.exit_code == 143
