"""TensorBoard's events are those of the history, once each."""

import pytest

from tests.support.run_equality import read_events
from utils.errors import SemcoError
from utils.run.events import EventLog


def _record(epoch):
    return {"epoch": epoch, "loss": 1.0 / epoch, "top1": 10.0 * epoch, "valid_loss": 2.0}


def test_names(tmp_path):
    log = EventLog(tmp_path, [])
    log.send(_record(1))
    log.close()
    assert read_events(tmp_path) == {"train/loss": [(1, 1.0)], "valid/top1": [(1, 10.0)], "valid/loss": [(1, 2.0)]}


def test_a_run_that_goes_on_writes_each_epoch_once(tmp_path):
    """Also when an older file seems newer, because the clock has gone back."""
    log = EventLog(tmp_path, [])
    for epoch in (1, 2, 3):
        log.send(_record(epoch))
    log.close()
    (old,) = tmp_path.iterdir()
    old.rename(tmp_path / "events.out.tfevents.9999999999.host.1.0")
    log = EventLog(tmp_path, [_record(1), _record(2)])
    log.send({**_record(3), "top1": 99.0})
    log.close()
    assert read_events(tmp_path)["valid/top1"] == [(1, 10.0), (2, 20.0), (3, 99.0)]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "plain").write_text("")
    with pytest.raises(SemcoError, match="cannot write"):
        EventLog(tmp_path / "plain", [])
