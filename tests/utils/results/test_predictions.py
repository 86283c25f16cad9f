"""The table of predictions holds what the arrays say, and comes back from disk as it was."""

import os

import numpy as np
import pandas as pd
import pytest

from utils.errors import SemcoError
from utils.results.prediction_file import read_predictions, write_predictions
from utils.results.predictions import UNKNOWN, Predictions, rank, tabulate

NAMES = ("cat", "<script>alert(1)</script>", 'naïve, "quoted"\\class')


def make_predictions(by_class, by_embedding, labels):
    by_class, by_embedding = np.array(by_class, dtype=np.float32), np.array(by_embedding, dtype=np.float32)
    return Predictions(
        ids=tuple(f"test/{place}.png" for place in range(len(labels))),
        labels=np.array(labels, dtype=np.int64),
        class_probabilities=by_class,
        emb_probabilities=by_embedding,
        group_scores=np.linspace(0, 1, len(labels), dtype=np.float32),
        embeddings=np.zeros((len(labels), 2), dtype=np.float32),
    )


@pytest.fixture
def predictions():
    by_class = [[0.7, 0.2, 0.1], [0.25, 0.5, 0.25], [0.1, 0.1, 0.8]]
    by_embedding = [[0.5, 0.4, 0.1], [0.25, 0.25, 0.5], [0.2, 0.1, 0.7]]
    return make_predictions(by_class, by_embedding, [0, 0, UNKNOWN])


def test_rank_takes_the_first_of_equal_classes():
    classes, values = rank(np.array([[0.3, 0.3, 0.4], [0.5, 0.5, 0.0]]), 5)
    assert classes.tolist() == [[2, 0, 1], [0, 1, 2]]
    np.testing.assert_allclose(values, [[0.4, 0.3, 0.3], [0.5, 0.5, 0.0]], rtol=1e-6)


def test_a_table_opens_in_pandas(tmp_path, predictions):
    write_predictions(tmp_path / "predictions.parquet", predictions, NAMES, [4, 7, 7])
    frame = pd.read_parquet(tmp_path / "predictions.parquet")
    assert frame["file"].tolist() == ["test/0.png", "test/1.png", "test/2.png"]
    assert frame["label"].tolist()[:2] == ["cat", "cat"]
    assert pd.isna(frame["label"][2])
    assert frame["predicted"].tolist() == [NAMES[0], NAMES[1], NAMES[2]]
    np.testing.assert_allclose(frame["confidence"], [0.6, 0.375, 0.75])
    np.testing.assert_allclose(frame["margin"], [0.3, 0.0, 0.6], atol=1e-6)
    assert frame["heads_agree"].tolist() == [True, False, True]
    assert frame["group"].tolist() == [4, 7, 7]
    assert frame["correct"].tolist()[:2] == [True, False]
    assert pd.isna(frame["correct"][2])
    assert list(frame["top_labels"][0]) == [NAMES[0], NAMES[1], NAMES[2]]
    assert frame["embedding_label"].tolist() == [NAMES[0], NAMES[2], NAMES[2]]


def test_a_table_comes_back_as_it_was(tmp_path, predictions):
    write_predictions(tmp_path / "predictions.parquet", predictions, NAMES, [4, 7, 7])
    wanted, found = tabulate(predictions, NAMES, [4, 7, 7]), read_predictions(tmp_path / "predictions.parquet")
    for name, value in vars(wanted).items():
        np.testing.assert_array_equal(getattr(found, name), value, err_msg=name)


def test_many_classes_of_which_few_are_predicted(tmp_path):
    rng = np.random.default_rng(0)
    by_class = rng.dirichlet(np.ones(1000), 50)
    names = [f"class {place}" for place in range(1000)]
    made = make_predictions(by_class, by_class, rng.integers(0, 1000, 50))
    write_predictions(tmp_path / "p.parquet", made, names, np.arange(1000))
    found = read_predictions(tmp_path / "p.parquet")
    assert found.class_names == tuple(names)
    np.testing.assert_array_equal(found.predicted, made.class_probabilities.argmax(1))
    np.testing.assert_array_equal(found.labels, made.labels)


def test_the_same_predictions_make_the_same_bytes(tmp_path, predictions):
    for name in ("one", "two"):
        write_predictions(tmp_path / name, predictions, NAMES, [4, 7, 7])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_table_without_images(tmp_path):
    write_predictions(
        tmp_path / "p.parquet", make_predictions(np.zeros((0, 3)), np.zeros((0, 3)), []), NAMES, [0, 1, 2]
    )
    assert read_predictions(tmp_path / "p.parquet").files == ()


def test_damaged_and_foreign_tables_are_one_line(tmp_path):
    with pytest.raises(SemcoError, match="does not exist"):
        read_predictions(tmp_path / "none.parquet")
    os.mkfifo(tmp_path / "pipe.parquet")
    with pytest.raises(SemcoError, match=r"pipe\.parquet is a pipe: expected a regular file"):
        read_predictions(tmp_path / "pipe.parquet")
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(SemcoError, match="no intact Parquet file"):
        read_predictions(tmp_path / "damaged.parquet")
    pd.DataFrame({"file": ["a"]}).to_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(SemcoError, match="not a table of predictions"):
        read_predictions(tmp_path / "foreign.parquet")
