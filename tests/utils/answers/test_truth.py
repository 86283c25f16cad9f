import numpy as np
import pytest

from utils.answers import truth
from utils.answers.truth import Truth
from utils.results.predictions import UNKNOWN, Predictions

NAMES = ("a", "b", "c")


def _predictions(labels, by_class, by_embedding) -> Predictions:
    count = len(labels)
    return Predictions(
        ids=tuple(map(str, range(count))),
        labels=np.array(labels),
        class_probabilities=np.array(by_class, dtype=np.float32),
        emb_probabilities=np.array(by_embedding, dtype=np.float32),
        group_scores=np.zeros(count, dtype=np.float32),
        embeddings=np.zeros((count, 2), dtype=np.float32),
    )


A, B, C = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]


def _truth(**settings) -> Truth:
    found = Truth(NAMES, np.array([0, 0, 1]), **settings)
    found.add(_predictions([0, UNKNOWN], [A, C], [B, C]))
    found.add(_predictions([UNKNOWN], [A], [A]))
    found.add(_predictions([2, 1, 1], [C, B, A], [C, B, B]))
    return found


def test_hits_are_counted_over_all_batches_and_unknown_classes_do_not_count():
    found = _truth()
    assert found.known == 4
    assert found.accuracy("class") == 75
    assert found.accuracy("embedding") == 75
    assert found.accuracy("class", 5) == 100


def test_the_tables_follow_where_both_heads_know_the_classes():
    lines = _truth().lines()
    assert "class head 75.00%" in lines[0]
    assert any("95% interval" in line for line in lines)
    assert any(line.startswith("mistakes inside the right label group: 1 of 1") for line in lines)
    assert any(line.startswith("the heads agree on") for line in lines)
    assert len(_truth(heads=("embedding",)).lines()) == 1


def test_the_tables_are_those_of_the_class_head_where_the_other_one_is_not_trained():
    lines = _truth(heads=("class",)).lines()
    assert lines[0] == "accuracy on 4 images of known class: class head 75.00% (top-3 100.00%)"
    assert lines[1].startswith("class head: 95% interval")
    assert not any("embedding" in line or "agree" in line for line in lines)


def test_too_many_predictions_give_accuracies_alone(monkeypatch):
    monkeypatch.setattr(truth, "_MOST_BYTES", 40)
    lines = _truth().lines()
    assert "class head 75.00%" in lines[0]
    assert "no tables" in lines[1]
    assert len(lines) == 2


@pytest.mark.parametrize("labels", [[], [UNKNOWN]])
def test_nothing_known_counts_nothing(labels):
    found = Truth(NAMES, np.arange(3))
    if labels:
        found.add(_predictions(labels, [A], [A]))
    assert found.known == 0
