"""When a run has come far enough, and what it remembers."""

import dataclasses

import pytest

from models.history import History
from utils.schedule import Schedule

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
    assert History(epoch=epoch, best_epoch=best).is_complete(schedule) is complete


def test_an_epoch_ends():
    history = History(steps=5, images=100, seconds=2.5)
    assert history.best is None
    history.finish_epoch({"epoch": 1, "top1": 3.0}, es_metric="accuracy")
    assert history.is_best
    history.steps = 2
    history.finish_epoch({"epoch": 2, "top1": 2.0}, es_metric="accuracy")
    assert not history.is_best
    assert history.best == {"epoch": 1, "top1": 3.0}
    assert (history.epoch, history.steps, history.images, history.seconds) == (2, 0, 0, 0.0)
    assert History.from_state(history.state_dict()) == history
