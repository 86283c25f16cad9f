"""The inputs of the comparison of text priors: one text or vector for each class of CIFAR-100."""

import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks import text_priors
from utils.words.word_vectors import open_word_vectors


def test_the_files(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["text_priors", str(tmp_path / "new")])
    assert text_priors.main() == 0
    names = pd.read_csv(text_priors.DESCRIPTIONS)["class"].tolist()
    assert len(set(names)) == 100
    prompts = pd.read_csv(tmp_path / "new" / "photo_prompts.csv").set_index("class")["term"]
    assert prompts["aquarium_fish"] == "a photo of a aquarium fish"
    vectors = open_word_vectors(tmp_path / "new" / "orthogonal.txt")
    assert sorted(vectors.terms) == sorted(names)


@pytest.mark.parametrize("count", [2, 100])
def test_vectors_are_orthonormal(count):
    vectors = text_priors.orthogonal_vectors(count)
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(count), atol=1e-12)


def test_every_description_names_its_class():
    table = pd.read_csv(text_priors.DESCRIPTIONS)
    for name, text in table.itertuples(index=False):
        assert name.replace("_", " ") in text
