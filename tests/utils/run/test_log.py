"""The screen and train.log hear the same; a full disk does not make the log a nuisance."""

import errno
import logging
import os
import sys

import pytest

from utils.errors import SemcoError
from utils.run.log import RunLog, logging_for
from utils.stopping import Stopped

LOGGER = logging.getLogger("semco")


def test_screen(capsys):
    before = list(LOGGER.handlers)
    with logging_for(talks=True):
        LOGGER.info("hello")
        LOGGER.warning("careful")
    with logging_for(talks=False):
        LOGGER.warning("silent")
    shown = capsys.readouterr()
    assert shown.out == "hello\n"
    assert shown.err == "warning: careful\n"
    assert LOGGER.handlers == before


def test_a_run_that_goes_on_appends(tmp_path):
    for text in ("first", "second"):
        with logging_for(talks=True):
            LOGGER.info("%s, before the folder", text)
            log = RunLog(tmp_path / "train.log")
            LOGGER.info("%s, in it", text)
            log.close(Stopped(15))
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert [line.split(" INFO ")[1] for line in lines] == [
        "first, before the folder", "first, in it", "second, before the folder", "second, in it",
    ]  # fmt: skip


def test_a_full_disk_is_told_once(tmp_path, capsys):
    with logging_for(talks=True):
        log = RunLog(tmp_path / "train.log")
        log._file.stream.close()
        log._file.stream = _Full()
        LOGGER.info("one")
        LOGGER.info("two")
        log.close(None)
    shown = capsys.readouterr()
    assert shown.out == "one\ntwo\n"
    assert shown.err.count("train.log cannot be written (No space left") == 1
    assert "Traceback" not in shown.err


class _Full:
    """A file on a disk that is full."""

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")

    flush = close = lambda self: self.write("")


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "train.log").symlink_to(tmp_path / "elsewhere")
    with logging_for(talks=True), pytest.raises(SemcoError, match=r"train\.log is a link"):
        RunLog(tmp_path / "train.log")
    assert (tmp_path / "elsewhere").read_text() == "mine"


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "train.log")
    with logging_for(talks=True), pytest.raises(SemcoError, match=r"train\.log is a pipe"):
        RunLog(tmp_path / "train.log")


def test_a_log_that_nobody_closed_is_closed(tmp_path):
    """As when the rest of the run folder is refused."""
    with logging_for(talks=True):
        stream = RunLog(tmp_path / "train.log")._file.stream
        LOGGER.info("one")
    assert stream.closed
    assert "one" in (tmp_path / "train.log").read_text()


def test_other_mistakes_in_logging_stay_visible(tmp_path, capsys):
    with logging_for(talks=False):
        log = RunLog(tmp_path / "train.log")
        try:
            raise ValueError("a bug")
        except ValueError:
            log._file.handleError(LOGGER.makeRecord("semco", logging.INFO, "", 0, "text", (), None))
        log.close(None)
    assert "a bug" in capsys.readouterr().err
    assert sys.exc_info()[0] is None


def test_the_logger_is_as_it_was_before():
    logger = logging.getLogger("semco")
    before = logger.level, logger.propagate, logger.handlers[:]
    with logging_for(talks=True):
        assert not logger.propagate
    assert (logger.level, logger.propagate, logger.handlers) == before
