"""TensorBoard's events are those of the history, once each."""

import importlib.abc
import logging
import os
import sys
from pathlib import Path

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


@pytest.fixture
def warnings(caplog, monkeypatch) -> pytest.LogCaptureFixture:
    """The project's warnings, as `messages`."""
    monkeypatch.setattr(logging.getLogger("semco"), "propagate", True)
    return caplog


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("elsewhere"), Path.touch, os.mkfifo])
def test_what_is_no_folder_is_refused(tmp_path, make):
    (tmp_path / "elsewhere").mkdir()
    kept = tmp_path / "elsewhere" / "events.out.tfevents.1.other"
    kept.touch()
    make(tmp_path / "tensorboard")
    with pytest.raises(SemcoError, match="expected a folder of TensorBoard events"):
        EventLog(tmp_path / "tensorboard", [])
    assert list((tmp_path / "elsewhere").iterdir()) == [kept]


def test_a_link_among_the_events_is_removed_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("mine")
    folder = tmp_path / "tensorboard"
    folder.mkdir()
    (folder / "events.out.tfevents.1.x").symlink_to(tmp_path / "elsewhere")
    EventLog(folder, [_record(1)]).close()
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert read_events(folder)["train/loss"] == [(1, 1.0)]


def test_a_full_disk_is_reported_once(tmp_path, warnings):
    log = EventLog(tmp_path, [])
    log.send(_record(1))
    log._file.close()
    log._file = Path("/dev/full").open("wb")  # noqa: SIM115  closed by the log
    for epoch in (2, 3):
        log.send(_record(epoch))
    log.close()
    (text,) = warnings.messages
    assert "cannot be written (No space left on device): TensorBoard misses the epochs from here on" in text
    assert "nothing was changed" not in text
    assert read_events(tmp_path)["train/loss"] == [(1, 1.0)]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path, warnings):
    log = EventLog(tmp_path / "gone" / "tensorboard", [_record(1)])
    log.send(_record(2))
    log.close()
    (text,) = warnings.messages
    assert "cannot be written (No such file or directory)" in text


@pytest.mark.parametrize("error", [ImportError("libstdc++ is too old"), TypeError("Descriptors cannot be created")])
def test_a_broken_installation_is_reported(tmp_path, warnings, monkeypatch, error):
    class Broken(importlib.abc.MetaPathFinder):
        def find_spec(self, name, *_):
            if name.startswith("tensorboard"):
                raise error

    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    log = EventLog(tmp_path / "tensorboard", [_record(1)])
    log.send(_record(2))
    log.close()
    (text,) = warnings.messages
    assert text == f"TensorBoard cannot be used ({type(error).__name__}: {error}): no events are written"
    assert not (tmp_path / "tensorboard").exists()
