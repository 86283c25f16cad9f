"""A lock holds against others and ends with its holder, however that dies."""

import errno
import fcntl
import logging
import os
import signal
import subprocess
import sys

import pytest

from tests.support.project import ROOT
from utils.errors import SemcoError
from utils.files import lock as lock_module
from utils.files.lock import FolderLock, try_lock

_HOLD = (
    "import sys, time; from pathlib import Path; from utils.files.lock import FolderLock; "
    "lock = FolderLock(Path(sys.argv[1])); print('locked', flush=True); time.sleep(600)"
)


def test_a_killed_holder_leaves_no_lock(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", _HOLD, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(SemcoError, match=rf"in use by process {holder.pid} on .*: wait"):
            FolderLock(tmp_path)
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
    FolderLock(tmp_path).release()


def test_letting_go(tmp_path):
    lock = FolderLock(tmp_path)
    lock.release()
    lock.release()
    again = FolderLock(tmp_path)
    del again
    FolderLock(tmp_path).release()


def test_no_locks_on_this_file_system(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(logging.getLogger("semco"), "propagate", True)
    FolderLock(tmp_path).release()
    assert "cannot be locked here" in caplog.text
    handle = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR)
    assert try_lock(handle) is None
    os.close(handle)


def test_a_folder_that_is_gone(tmp_path):
    with pytest.raises(SemcoError, match=r"cannot write to the run folder .*gone"):
        FolderLock(tmp_path / "gone")


def test_a_link_under_the_lock_s_name_is_not_followed(tmp_path):
    victim, folder = tmp_path / "victim", tmp_path / "run"
    victim.write_text("kept")
    folder.mkdir()
    (folder / ".lock").symlink_to(victim)
    with pytest.raises(SemcoError, match=r"\.lock is a link"):
        FolderLock(folder)
    assert victim.read_text() == "kept"


def test_a_system_without_fcntl(tmp_path, monkeypatch):
    """Windows has none."""
    monkeypatch.setattr(lock_module, "fcntl", None)
    FolderLock(tmp_path).release()
    handle = os.open(tmp_path / ".lock", os.O_RDWR)
    assert try_lock(handle) is None
    os.close(handle)
