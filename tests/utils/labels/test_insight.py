"""What is said of class vectors before training: checked against the label guessor itself, and against made-up vectors."""

import numpy as np
import pytest
import torch

from models.label_guessor import LabelGuessor
from tests.support.project import ROOT
from utils.flags.parse import parse_config
from utils.labels.insight import lost_hints, outsiders, same_vectors, similar_pairs
from utils.labels.semantics import LabelSemantics, describe_labels
from utils.progress import Progress

GLOVE = ROOT / "demo" / "glove.6B.50d.subset.txt.gz"
# As ImageNet has them: kinds of a thing, of which the vocabulary knows the last word only.
NAMES = [
    *(f"{kind} bear" for kind in ("brown", "black", "polar", "ice")),
    *(f"{kind} dog" for kind in ("mountain", "hunting", "police", "toy")),
    *(f"{kind} ball" for kind in ("golf", "tennis", "soccer", "rugby", "cricket")),
    *(f"{kind} bottle" for kind in ("wine", "beer", "water", "pill")),
    *(f"{kind} clock" for kind in ("wall", "digital", "alarm")),
    *(f"{kind} car" for kind in ("freight", "passenger", "racing", "sports")),
    *("lion", "tiger", "whale", "piano", "guitar", "apple", "orange", "truck", "bus", "train", "bear", "cup", "bridge"),
]  # fmt: skip


def _describe(*flags: str) -> LabelSemantics:
    config = parse_config(["--train-split-pickle", "x", "--word-vec-path", str(GLOVE), *flags])
    return describe_labels(config, NAMES, progress=Progress(enabled=False))


def _hints(vectors: np.ndarray, groups: np.ndarray) -> list[int]:
    """What the label guessor hints when an embedding equals a class's own vector."""
    guessor = LabelGuessor(torch.from_numpy(vectors), torch.from_numpy(groups), thr_emb=0.7)
    return guessor(torch.from_numpy(vectors)).hint.tolist()


def test_every_class_is_hinted_by_its_own_vector_or_named():
    semantics = _describe()
    said = " ".join(semantics.warnings)
    for place, hint in enumerate(_hints(semantics.vectors, semantics.grouping.ids)):
        assert hint == place or repr(NAMES[place]) in said
    assert not same_vectors(semantics.vectors)


def test_with_terms_kept_most_kinds_of_a_thing_are_never_hinted():
    semantics = _describe("--shared-terms", "keep")
    hints = _hints(semantics.vectors, semantics.grouping.ids)
    assert sum(hint != place for place, hint in enumerate(hints)) >= 15
    (text,) = [text for text in semantics.warnings if "cannot tell them apart" in text]
    assert "'brown bear', 'black bear'" in text
    assert text.count("'") // 2 <= 10 + 4  # ten classes and their terms
    assert "other classes share vectors likewise" in text


def test_lost_hints_are_those_of_the_guessor():
    """Chains of vectors on a circle: the mean cosine over a long chain is low at its ends."""
    degrees = np.array([0, 7, 14, 21, 28, 35, 42, 49, 56, 63, -16, 200, 100])
    vectors = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], axis=1).astype(np.float32)
    groups = np.array([0] * 10 + [1, 2, 3])
    lost = lost_hints(vectors, groups)
    hints = _hints(vectors, groups)
    assert lost == {place: hint for place, hint in enumerate(hints) if hint != place}
    assert lost[0] == 10


def test_random_vectors_agree_with_the_guessor():
    rng = np.random.default_rng(0)
    for _ in range(20):
        vectors = rng.normal(size=(30, 6)).astype(np.float32)
        groups = np.unique(rng.integers(0, 8, 30), return_inverse=True)[1]
        hints = _hints(vectors, groups)
        assert lost_hints(vectors, groups) == {place: hint for place, hint in enumerate(hints) if hint != place}


def test_same_vectors():
    vectors = np.array([[1, 0], [0, 1], [2, 0], [0, 3], [1, 1], [5, 0]], dtype=np.float32)
    assert same_vectors(vectors) == [[0, 2, 5], [1, 3]]
    assert same_vectors(np.eye(4)) == []


def test_neighbours():
    degrees = np.radians([0, 3, 40, 50, 120])
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    pairs = similar_pairs(vectors, 2)
    assert [(pair.one, pair.other) for pair in pairs] == [(0, 1), (2, 3)]
    assert pairs[0].cosine == pytest.approx(np.cos(np.radians(3)))
    (far,) = outsiders(vectors, 1)
    assert (far.one, far.other) == (4, 3)
