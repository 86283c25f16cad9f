"""Sums of steps on the device, and what becomes of those that are not finite."""

import pytest
import torch

from models.losses import LossParts
from models.step.tally import NotFiniteError, Tally

CPU = torch.device("cpu")
SIZE = len(LossParts._fields)


def _tally(*, most_broken=0, reduce=lambda values: values, world_size=1):
    return Tally(CPU, most_broken=most_broken, reduce=reduce, world_size=world_size)


def _add(tally, total):
    value = torch.tensor(float(total))
    tally.add(LossParts(*[value] * SIZE), ~torch.isfinite(value))


def test_means():
    tally = _tally()
    tally.begin(10)
    for total in (1, 2, 6):
        _add(tally, total)
    means, counted = tally.read()
    assert (means["total"], means["any_mask_rate"], counted) == (3.0, 3.0, 3)
    tally.begin(13)
    _add(tally, 5)
    assert tally.read()[0]["total"] == 5.0


def test_the_first_broken_step_is_named():
    tally = _tally()
    tally.begin(40)
    for total in (1.0, float("inf"), float("nan")):
        _add(tally, total)
    for look in (tally.read, tally.check):
        with pytest.raises(NotFiniteError, match=r"no longer finite at step 41 \(total inf, class_labelled inf,"):
            look()


def test_broken_steps_are_counted_and_left_out():
    tally = _tally(most_broken=2)
    tally.begin(0)
    for total in (1.0, float("nan"), 3.0, float("nan")):
        _add(tally, total)
    tally.check()
    assert (tally.read()[0]["total"], tally.read()[1]) == (2.0, 2)
    _add(tally, float("nan"))
    with pytest.raises(
        NotFiniteError, match=r"3 steps were not finite .* first of them at step 1 .* --nan-limit allows 2"
    ):
        tally.read()


def test_an_epoch_of_nothing_but_broken_steps():
    tally = _tally(most_broken=100)
    tally.begin(0)
    _add(tally, float("nan"))
    with pytest.raises(NotFiniteError, match=r"no step of the epoch was finite, the first of them at step 0"):
        tally.read()


def test_another_process_breaks():
    """What the other process adds: two whole steps, one broken one."""
    others = torch.tensor([4.0] * SIZE + [2.0, 1.0])
    tally = _tally(reduce=lambda values: values + others, world_size=2)
    _add(tally, 1.0)
    tally.check()
    with pytest.raises(NotFiniteError, match="no longer finite in another process"):
        tally.read()
    tally = _tally(most_broken=1, reduce=lambda values: values + others, world_size=2)
    _add(tally, 2.0)
    _add(tally, 6.0)
    assert tally.read()[0]["total"] == 3.0
    assert tally.read()[1] == 2


def test_a_checkpoint_holds_what_all_processes_saw():
    """It is one process's, and a run of two goes on from it."""
    others = torch.tensor([4.0] * SIZE + [2.0, 0.0])
    tally = _tally(reduce=lambda values: values + others, world_size=2)
    _add(tally, 2.0)
    _add(tally, 6.0)
    tally.read()
    assert tally.state_dict()["sums"].tolist() == [6.0] * SIZE + [2.0]


def test_state():
    tally, copy = _tally(most_broken=1), _tally(most_broken=1)
    tally.begin(7)
    _add(tally, 1.0)
    _add(tally, float("nan"))
    place = copy.sums.data_ptr()
    copy.load_state_dict(tally.state_dict())
    assert copy.sums.data_ptr() == place  # a captured graph holds these very tensors
    for one in (tally, copy):
        _add(one, 5.0)
    assert copy.read() == tally.read() == (dict.fromkeys(LossParts._fields, 3.0), 2)
    assert int(copy.first_broken) == 8
