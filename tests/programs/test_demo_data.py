"""The data that ships with the demo."""

import numpy as np

from loaders.prepare.published.mnist import CLOTHES, read_idx
from tests.support.project import ROOT
from utils.flags.parse import parse_config
from utils.labels.matching import LabelMatch, match_labels
from utils.words.word_vectors import open_word_vectors

DEMO = ROOT / "demo"


def test_images_are_balanced():
    for prefix, per_class in (("train", 600), ("t10k", 200)):
        images = read_idx(DEMO / "fashion_mnist" / f"{prefix}-images-idx3-ubyte.gz")
        labels = read_idx(DEMO / "fashion_mnist" / f"{prefix}-labels-idx1-ubyte.gz")
        assert images.shape == (10 * per_class, 28, 28)
        assert np.bincount(labels).tolist() == [per_class] * 10
        assert len(np.unique(images.reshape(len(images), -1), axis=0)) > 0.99 * len(images)


def test_every_class_is_found():
    opened = open_word_vectors(DEMO / "glove.6B.50d.subset.txt.gz")
    assert opened.dim == 50
    assert len(opened.terms) > 20_000
    entries = match_labels(CLOTHES, opened.terms).entries
    assert all(isinstance(entry, LabelMatch) for entry in entries)
    assert opened.select([entry.term for entry in entries]).shape == (10, 50)


def test_it_is_small():
    tracked = [path for path in DEMO.rglob("*") if path.is_file() and ".data" not in path.parts]
    assert sum(path.stat().st_size for path in tracked) < 8e6


def test_the_flags_are_valid():
    config = parse_config([f"@{DEMO / 'demo.flags'}"])
    assert config.total_steps == 1000
