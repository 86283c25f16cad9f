"""A file appears whole or not at all."""

import errno
import os
import stat

import pytest

from utils.errors import SemcoError
from utils.files import atomic
from utils.files.atomic import atomic_path, write_bytes, write_error, write_text


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


@pytest.mark.parametrize("limit", [0, 1, 500, 999])
def test_a_disk_that_fills_up_at_a_byte(tmp_path, small_disk, limit):
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")
    small_disk(limit)
    with pytest.raises(SemcoError, match=r"no space left to write .*file\.bin \(0\.0 MiB needed, [\d,.]+ MiB free\)"):
        write_bytes(path, bytes(1000))
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_free_space_is_that_without_what_was_half_written(tmp_path, small_disk, monkeypatch):
    seen = []
    monkeypatch.setattr(atomic, "_free", lambda folder: seen.extend(folder.iterdir()) or ", 1.0 MiB free")
    small_disk(500)
    with pytest.raises(SemcoError, match="1.0 MiB free"):
        write_bytes(tmp_path / "file.bin", bytes(1000))
    assert seen == []


def test_what_a_killed_process_left_is_swept_away(tmp_path):
    """Not what a living one is writing, and not what belongs to another file."""
    path = tmp_path / "file[1].txt"
    dead, other = tmp_path / ".file[1].txt.abc.part", tmp_path / ".file.txt.abc.part"
    dead.write_text("half")
    other.write_text("half")
    with atomic_path(path) as temporary:
        write_text(path, "from another thread")
        assert temporary.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name, other.name}


def test_a_link_that_looks_like_a_leftover_is_not_opened(tmp_path):
    victim, link = tmp_path / "victim", tmp_path / ".file.txt.abc.part"
    victim.write_text("kept")
    link.symlink_to(victim)
    write_text(tmp_path / "file.txt", "new")
    assert victim.read_text() == "kept"
    assert link.is_symlink()


def test_only_what_is_true_is_said_of_a_full_disk(tmp_path):
    full = OSError(errno.ENOSPC, "No space left on device")
    assert str(write_error(tmp_path, full)).endswith("free some space or choose another folder")
    assert str(write_error(tmp_path, full, intact=True)).endswith("what was there before is intact")


def test_a_file_taken_for_a_leftover_is_made_again(tmp_path, monkeypatch):
    made = []

    def swept(*arguments, **settings):
        handle, name = mkstemp(*arguments, **settings)
        made.append(name)
        if len(made) == 1:
            atomic.Path(name).unlink()
        return handle, name

    mkstemp = atomic.tempfile.mkstemp
    monkeypatch.setattr(atomic.tempfile, "mkstemp", swept)
    write_text(tmp_path / "file.txt", "whole")
    assert len(made) == 2
    assert (tmp_path / "file.txt").read_text() == "whole"


def test_a_folder_that_vanishes_meanwhile(tmp_path):
    folder = tmp_path / "folder"
    with pytest.raises(SemcoError, match="cannot write"), atomic_path(folder / "file.txt") as temporary:
        temporary.unlink()
        folder.rmdir()
    assert not folder.exists()


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "plain").write_text("")
    with pytest.raises(SemcoError, match="cannot write"):
        write_text(tmp_path / "plain" / "file.txt", "x")
