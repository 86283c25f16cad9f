"""Caches go where they can be written, and nothing promises more than there is."""

import os
from pathlib import Path

import pytest

from loaders.pixels.capacity import available_memory, cache_folder, can_hold


def test_read_only_dataset_caches_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert cache_folder(tmp_path / "cifar100") == tmp_path / "home" / "semco" / "cifar100"


def test_room_on_disk(tmp_path):
    assert can_hold(tmp_path / "not" / "made" / "yet", 1)
    assert not can_hold(tmp_path, 2**62)


def test_memory_is_in_bytes():
    assert available_memory() > 2**20


def test_a_user_without_a_home(tmp_path, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    folder = cache_folder(tmp_path)
    assert folder == tmp_path / ".cache"
    assert not can_hold(folder, 1)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(36, "File name too long")])
def test_a_home_that_may_not_be_entered(tmp_path, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/root/.cache")
    assert cache_folder(tmp_path) == Path("/root/.cache/semco", tmp_path.name)
    monkeypatch.setattr(Path, "lstat", refuse)
    assert cache_folder(tmp_path) == tmp_path / ".cache"


def test_a_home_that_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    assert not can_hold(tmp_path / "file" / "semco", 1)
    assert not can_hold(Path("/dev/null/semco"), 1)


def test_the_control_groups_limit_counts(monkeypatch):
    answers = {"memory.max": "3000000", "memory.current": "1000000"}
    monkeypatch.setattr(Path, "read_text", lambda self, **_: answers.get(self.name, "MemAvailable: 9000000 kB"))
    assert available_memory() == 2_000_000
    answers["memory.max"] = "max"
    assert available_memory() == 9_000_000 * 1024
