"""End to end: a network that overflows in evaluations alone. Its run ends, says so in its records, and can be resumed."""

import json
import math
from pathlib import Path

import pytest

from models.networks.two_head import TwoHeadNet
from tests.support.run_equality import assert_same_bits
from tests.support.tiny_runs import equal, train, weights
from utils.run.checkpoint import load_checkpoint
from utils.run.folder import RunFolder


@pytest.fixture(autouse=True)
def _overflowing(monkeypatch):
    """Make logits infinite outside training, as float16 does while running statistics are far from settled."""
    original = TwoHeadNet.forward

    def forward(self, images):
        output = original(self, images)
        return output if self.training else output._replace(logits=output.logits * 1e38 * 1e38)

    monkeypatch.setattr(TwoHeadNet, "forward", forward)


def _records(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_whose_evaluations_overflow_ends_and_is_resumed(tiny_dataset, tmp_path, capsys, monkeypatch):
    flags = ("--es-metric", "loss", "--diagnose-images", "20")
    whole = train(tiny_dataset, tmp_path / "whole", *flags)
    assert [math.isnan(record["valid_loss"]) for record in _records(whole)] == [True, True]
    assert (whole / "report.html").exists()
    assert (whole / "learning_curves.png").exists()
    evaluation = json.loads((whole / "evaluation.json").read_text(), parse_constant=pytest.fail)
    assert evaluation["heads"]["class"]["calibration"]["mean_confidence"] == 0
    monkeypatch.setattr(RunFolder, "draw_pictures", lambda *_: None)
    train(tiny_dataset, tmp_path / "parts", *flags, "--break-epoch", "1")
    parts = train(tiny_dataset, tmp_path / "parts", *flags, "--resume", "auto")
    assert "resuming from" in capsys.readouterr().out
    assert equal(weights(parts), weights(whole))
    for name in ("model", "optimizer", "tally", "best_epoch"):
        assert_same_bits(*(load_checkpoint(folder / "last.pth")[name] for folder in (whole, parts)), name)
