import csv
import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from utils.answers.row_files import open_rows
from utils.answers.rows import RowLayout, printable_path
from utils.errors import SemcoError
from utils.results.predictions import UNKNOWN, Predictions

NAMES = ("=cat", 'd"o,g', "<b>ü")


def _predictions() -> Predictions:
    return Predictions(
        ids=("a.png", "=b\n.png"),
        labels=np.array([0, UNKNOWN]),
        class_probabilities=np.array([[0.7, 0.2, 0.1], [0.1, 0.5, 0.4]], dtype=np.float32),
        emb_probabilities=np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], dtype=np.float32),
        group_scores=np.array([0.9, 0.2], dtype=np.float32),
        embeddings=np.zeros((2, 4), dtype=np.float32),
    )


def _layout(head="both", **changes) -> RowLayout:
    settings = {"topk": 2, "min_confidence": 0.6, "has_truth": True, **changes}
    return RowLayout(class_names=NAMES, group_ids=np.array([0, 1, 0]), head=head, **settings)


@pytest.mark.parametrize(
    ("head", "labels", "confidences", "accepted"),
    [
        ("both", ("=cat", "<b>ü"), (0.6, 0.6), (True, True)),
        ("class", ("=cat", 'd"o,g'), (0.7, 0.5), (True, False)),
        ("embedding", ("=cat", "<b>ü"), (0.5, 0.8), (False, True)),
    ],
)
def test_the_head_ranks_the_classes(head, labels, confidences, accepted):
    rows = list(_layout(head, min_confidence=0.59).rows(_predictions()))
    assert tuple(row["label"] for row in rows) == labels
    assert [row["confidence"] for row in rows] == pytest.approx(confidences)
    assert tuple(row["accepted"] for row in rows) == accepted
    for row in rows:
        assert row["margin"] == pytest.approx(row["probability_1"] - row["probability_2"], abs=1e-6)


def test_each_head_has_its_say_and_truth_where_it_is_known():
    one, two = _layout().rows(_predictions())
    assert (one["class_label"], one["embedding_label"], one["heads_agree"], one["group"]) == ("=cat", "=cat", True, 0)
    assert (two["class_label"], two["embedding_label"], two["heads_agree"]) == ('d"o,g', "<b>ü", False)
    assert (one["true_label"], two["true_label"]) == ("=cat", None)
    assert one["group_score"] == pytest.approx(0.9)


def test_without_a_class_head_its_columns_are_empty():
    row = next(_layout("embedding", heads=("embedding",)).rows(_predictions()))
    assert row["class_label"] is row["class_confidence"] is row["heads_agree"] is None
    assert row["embedding_label"] == "=cat"


def test_without_a_trained_embedding_head_its_columns_are_empty():
    row = next(_layout("class", heads=("class",)).rows(_predictions()))
    assert row["embedding_label"] is row["embedding_confidence"] is row["group_score"] is row["heads_agree"] is None
    assert row["class_label"] == row["label"] == "=cat"


def _write(path, kind):
    layout = _layout(min_confidence=0.59)
    with open_rows(path, kind, layout.columns) as file:
        file.write(list(layout.rows(_predictions())))
        file.write([layout.bad_row("bad.png", "broken")])


def _read(path, kind):
    if kind == "parquet":
        return pq.read_table(path).to_pylist()
    text = path.read_text(encoding="utf-8")
    if kind == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    return json.loads(text) if kind == "json" else [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_every_format_says_the_same(tmp_path, kind):
    _write(tmp_path / "out", kind)
    rows = _read(tmp_path / "out", kind)
    assert [list(row) for row in rows] == [list(_layout().columns)] * 3
    assert [row["file"] for row in rows] == ["a.png", "./=b\n.png", "bad.png"]
    assert rows[0]["label"] == ("'=cat" if kind == "csv" else "=cat")
    assert rows[2]["error"] == "broken"
    assert not rows[2]["label"]
    assert float(rows[0]["confidence"]) == pytest.approx(0.6, abs=1e-6)


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl"])
def test_no_rows_are_an_empty_table(tmp_path, kind):
    with open_rows(tmp_path / "out", kind, _layout().columns):
        pass
    assert _read(tmp_path / "out", kind) == []


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SemcoError])
def test_an_interrupted_table_does_not_appear(tmp_path, kind, error):
    (tmp_path / "out").write_text("before")
    layout = _layout()
    with pytest.raises(error), open_rows(tmp_path / "out", kind, layout.columns) as file:
        file.write(list(layout.rows(_predictions())))
        raise error("stop")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "before"


@pytest.mark.parametrize("kind", ["csv", "json", "jsonl", "parquet"])
def test_a_full_disk_is_one_line(tmp_path, small_disk, kind):
    small_disk(20)
    with pytest.raises(SemcoError, match="no space left"):
        _write(tmp_path / "out", kind)
    assert not list(tmp_path.iterdir())


def test_stdout_gets_nothing_of_a_table_that_fails(capsysbinary):
    layout = _layout()
    with pytest.raises(SemcoError), open_rows(None, "csv", layout.columns) as file:
        file.write(list(layout.rows(_predictions())))
        raise SemcoError("stop")
    assert capsysbinary.readouterr().out == b""


def test_paths_that_are_no_text_are_spelt_out():
    assert printable_path("a\udcff.png") == "a\\xff.png"
    assert printable_path("-a.png") == "./-a.png"
