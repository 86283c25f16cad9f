"""Counts, the best epoch and the summary."""

import pytest
import torch

from utils.metrics import CLASS_HEAD, EMBEDDING_HEAD, format_summary, is_better, summarise, top_k_hits


def test_top_k_hits():
    scores = torch.tensor([[0.1, 0.9, 0.0], [0.5, 0.3, 0.2], [0.2, 0.3, 0.5]])
    labels = torch.tensor([1, 2, 1])
    assert top_k_hits(scores, labels, 1).item() == 1
    assert top_k_hits(scores, labels, 2).item() == 2
    # Fewer classes than k: all of them.
    assert top_k_hits(scores, labels, 5).item() == 3


def test_is_better():
    best = {"top1": 50.0, "valid_loss": 1.0}
    assert is_better({"top1": 10.0, "valid_loss": 9.0}, None, "accuracy")
    assert is_better({"top1": 50.1, "valid_loss": 2.0}, best, "accuracy")
    assert not is_better({"top1": 50.0, "valid_loss": 0.5}, best, "accuracy")
    assert is_better({"top1": 50.0, "valid_loss": 0.5}, best, "loss")
    assert not is_better({"top1": 90.0, "valid_loss": float("nan")}, best, "loss")


def test_every_loss_beats_one_that_is_no_number():
    diverged = {"top1": 50.0, "valid_loss": float("nan")}
    assert is_better({"valid_loss": 9.0}, diverged, "loss")
    assert is_better({"valid_loss": float("inf")}, diverged, "loss")
    assert not is_better(diverged, diverged, "loss")


def _history(count):
    return [
        {
            "epoch": epoch,
            "valid_loss": 1 / epoch,
            **{name: float(epoch % 17) for name in (*CLASS_HEAD, *EMBEDDING_HEAD)},
        }
        for epoch in range(1, count + 1)
    ]


def test_summary():
    summary = summarise(_history(40), best_epoch=16)
    assert summary["last"]["top1"] == 6
    assert summary["best"]["top1"] == 16
    assert summary["best"]["valid_loss"] == pytest.approx(1 / 16)
    assert summary["median_of_last_20"]["top1"] == 6.5
    assert summarise(_history(1), best_epoch=1)["median_of_last_20"]["top5"] == 1.0


def test_table():
    text = format_summary(_history(3), best_epoch=3)
    lines = text.splitlines()
    assert len(lines) == 4
    assert "best epoch (3)" in lines[2]
    assert "3.00" in lines[1]
    assert len({len(line) for line in lines}) == 1


def test_a_head_that_is_not_trained_has_no_column():
    history = [{name: value for name, value in record.items() if name not in EMBEDDING_HEAD} for record in _history(3)]
    lines = format_summary(history, best_epoch=3).splitlines()
    assert lines[0].split()[-5:] == ["head", "class", "top-5", "valid.", "loss"]
    assert len({len(line) for line in lines}) == 1
    assert set(summarise(history, best_epoch=3)["best"]) == {"top1", "top5", "valid_loss"}


def test_losses_of_a_diverging_network_fit_into_the_table():
    history = [
        {**record, "valid_loss": loss}
        for record, loss in zip(_history(3), (1e27, float("nan"), float("inf")), strict=True)
    ]
    lines = format_summary(history, best_epoch=1).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[2].endswith("1e+27")
    assert lines[1].endswith("inf")
