"""A file appears whole or not at all."""

import errno
import os
import stat

import pytest

from utils import atomic
from utils.atomic import atomic_path, write_bytes, write_text
from utils.errors import SemcoError


def test_write_and_replace(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "one\n")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.txt"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~atomic._umask()


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("call", ["fsync", "chmod", "replace"])
def test_a_full_disk_is_named(tmp_path, monkeypatch, call):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else atomic.Path, call, full)
    with pytest.raises(SemcoError, match=r"no space left to write .*file\.txt"):
        write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "plain").write_text("")
    with pytest.raises(SemcoError, match="cannot write"):
        write_text(tmp_path / "plain" / "file.txt", "x")
