"""Checkpoints come back equal, and nothing else is loaded."""

import pickle

import pytest
import torch

from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.errors import SemcoError


def test_round_trip(tmp_path):
    content = {
        "model": {"w": torch.randn(3, 2), "n": torch.tensor(4)},
        "history": [{"epoch": 1, "top1": 2.5}],
        "none": None,
    }
    save_checkpoint(tmp_path / "last.pth", content)
    loaded = load_checkpoint(tmp_path / "last.pth")
    assert torch.equal(loaded["model"]["w"], content["model"]["w"])
    assert loaded["history"] == content["history"]


class _Evil:
    def __reduce__(self):
        return (print, ("executed",))


def test_code_is_refused(tmp_path, capsys):
    torch.save({"format": "semco-checkpoint-1", "model": _Evil()}, tmp_path / "evil.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(_Evil()))
    for name in ("evil.pth", "old.pth"):
        with pytest.raises(SemcoError, match=f"{name} (holds more than plain data|is damaged)"):
            load_checkpoint(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_other_files(tmp_path):
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(SemcoError, match="is no checkpoint of this program"):
        load_checkpoint(tmp_path / "other.pth")
    with pytest.raises(SemcoError, match="does not exist"):
        load_checkpoint(tmp_path / "gone.pth")
    save_checkpoint(tmp_path / "good.pth", {"model": torch.randn(100)})
    data = (tmp_path / "good.pth").read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 5):
        (tmp_path / "cut.pth").write_bytes(data[:cut])
        with pytest.raises(SemcoError, match="cut.pth"):
            load_checkpoint(tmp_path / "cut.pth")
