"""The newest whole checkpoint of a folder is found, whatever lies beside it."""

import logging

import pytest
import torch

from utils.metrics import ACCURACIES
from utils.run.checkpoint import DamagedError, save_checkpoint
from utils.run.run_checkpoints import fallbacks, newest_of, read_first


def _content(steps):
    record = {"epoch": 1, "loss": 1.0, "valid_loss": 2.0, **dict.fromkeys(ACCURACIES, 50.0)}
    return {
        "config": {"n_epoches": 3}, "seed": 1, "fingerprints": {}, "epoch": 1, "steps": steps, "best_epoch": 1,
        "history": [record], "number_format": "float32", "model": {"w": torch.zeros(10)}, "ema": {}, "optimizer": {},
    }  # fmt: skip


def test_newest(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("semco"), "propagate", True)
    assert newest_of(tmp_path) is None
    last, previous = tmp_path / "last.pth", tmp_path / "previous.pth"
    for steps in (1, 2):
        save_checkpoint(last, _content(steps), keep_as=previous)
    assert (newest_of(tmp_path)[0], newest_of(tmp_path)[1]["steps"]) == (last, 2)
    last.write_bytes(b"half")
    assert (newest_of(tmp_path)[0], newest_of(tmp_path)[1]["steps"]) == (previous, 1)
    assert "last.pth is damaged" in caplog.text
    previous.write_bytes(b"")
    assert newest_of(tmp_path) is None


def test_only_the_last_has_a_stand_in(tmp_path):
    save_checkpoint(tmp_path / "previous.pth", _content(1))
    assert fallbacks(tmp_path / "last.pth") == [tmp_path / "last.pth", tmp_path / "previous.pth"]
    assert fallbacks(tmp_path / "best.pth") == [tmp_path / "best.pth"]
    (tmp_path / "best.pth").write_bytes(b"half")
    with pytest.raises(DamagedError, match=r"best\.pth"):
        read_first(fallbacks(tmp_path / "best.pth"))
