"""Curves of runs of any length, and what is said of damaged metrics."""

import json

import numpy as np
import pytest

from tests.support.pictures import is_drawn
from utils.errors import SemcoError
from utils.pictures.learning_curves import plot_learning_curves


def _history(epochs):
    names = (
        "loss",
        "class_labelled",
        "class_unlabelled",
        "emb_labelled",
        "emb_unlabelled",
        "mask_rate",
        "emb_mask_rate",
    )
    more = ("any_mask_rate", "lr", "top1", "top5", "top1_emb", "top5_emb", "top1_combined", "valid_loss")
    rng = np.random.default_rng(0)
    return [
        {"epoch": epoch, **{name: rng.uniform(0.1, 1) for name in (*names, *more)}} for epoch in range(1, epochs + 1)
    ]


@pytest.mark.parametrize("epochs", [1, 2, 300])
def test_learning_curves(tmp_path, epochs):
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in _history(epochs)))
    assert is_drawn(plot_learning_curves(tmp_path))


def test_no_metrics(tmp_path):
    with pytest.raises(SemcoError, match=r"metrics\.jsonl does not exist"):
        plot_learning_curves(tmp_path)


def test_values_that_are_missing_or_not_finite_leave_gaps(tmp_path):
    records = _history(4)
    del records[1]["top1"]
    records[2]["loss"] = float("nan")
    records[3]["valid_loss"] = None
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records) + "\n")
    assert is_drawn(plot_learning_curves(tmp_path))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 3, is not JSON"),
        ('{"loss": 1.0}', "line 3, is not the record of an epoch"),
        ("[1]", "line 3, is not the record of an epoch"),
        ('{"epoch": NaN}', "line 3, is not the record of an epoch"),
        ('{"epoch": 3, "loss": "low"}', "line 3: loss is not a number"),
        ('{"epoch": 3, "top1": [1]}', "line 3: top1 is not a number"),
        ('{"epoch": 3, "lr": 1' + "0" * 400 + "}", "line 3: lr is not a number"),
        ("[" * 100_000, "line 3"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, words):
    good = [json.dumps(record) for record in _history(2)]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*good, line]))
    with pytest.raises(SemcoError) as caught:
        plot_learning_curves(tmp_path)
    assert words in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]
