"""Caches go where they can be written, and nothing promises more than there is."""

import os

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
