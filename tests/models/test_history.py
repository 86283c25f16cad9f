"""When a run has come far enough, and what it remembers."""

import dataclasses

import pytest

from models.history import Progressed, Schedule

SCHEDULE = Schedule(
    steps_per_epoch=5,
    total_steps=50,
    last_epoch=10,
    lr=0.1,
    early_stopping_epochs=0,
    min_wait_before_es=-1,
    es_metric="loss",
)


@pytest.mark.parametrize(
    ("epoch", "best", "patience", "wait", "complete"),
    [
        (9, 9, 0, -1, False), (10, 10, 0, -1, True), (11, 1, 0, -1, True),
        (4, 1, 3, -1, True), (3, 1, 3, -1, False), (4, 1, 3, 2, False), (5, 1, 3, 2, True), (0, -1, 3, -1, False),
    ],
)  # fmt: skip
def test_complete(epoch, best, patience, wait, complete):
    schedule = dataclasses.replace(SCHEDULE, early_stopping_epochs=patience, min_wait_before_es=wait)
    assert Progressed(epoch=epoch, best_epoch=best).is_complete(schedule) is complete


def test_an_epoch_ends():
    state = Progressed(steps=5, images=100, seconds=2.5)
    assert state.best is None
    state.finish_epoch({"epoch": 1, "top1": 3.0}, is_best=True)
    state.steps = 2
    state.finish_epoch({"epoch": 2, "top1": 2.0}, is_best=False)
    assert state.best == {"epoch": 1, "top1": 3.0}
    assert (state.epoch, state.steps, state.images, state.seconds) == (2, 0, 0, 0.0)
    assert Progressed(**state.state_dict()) == state
