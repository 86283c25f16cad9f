"""The table of a run's data states what is true of them."""

import pytest

from loaders.dataset.split import encode_split, read_split, write_content
from loaders.report import format_data
from loaders.training_data import open_training_data, select_images
from tests.support.datasets import CLASSES, make_dataset, write_split
from utils.flags.parse import parse_config
from utils.progress import Progress


@pytest.fixture
def root(tmp_path):
    make_dataset(tmp_path, "toy", CLASSES, train=6, test=2)
    write_split(tmp_path / "split.pkl", tmp_path / "toy", per_class=2)
    return tmp_path


def _report(root, *flags):
    paths = ["--dataset-path", str(root), "--dataset-name", "toy", "--train-split-pickle", str(root / "split.pkl")]
    config = parse_config([*paths, "--cache-imgs", "memory", *flags])
    selection = select_images(config)
    data = open_training_data(config, selection, statistics=None, progress=Progress(enabled=False))
    return format_data(config, selection, data)


def test_report(root):
    text = _report(root)
    fingerprint = read_split(root / "split.pkl").fingerprint()[:16]
    for words in (
        f"toy in {root / 'toy'}, 7 classes",
        "14 images, 2 to 2 per class; ",
        f"split.pkl, fingerprint {fingerprint}",
        "28 images\n",
        f"14 images, 2 to 2 per class; all 14 images of {root / 'toy' / 'test'}",
        "width x height 32 x 32 to 34 x 32",
        "computed from the training images",
    ):
        assert words in text
    assert "warning" not in text


def test_missing_classes_and_validation_from_train(root):
    split = read_split(root / "split.pkl")
    kept = {name: kind for name, kind in split.classes.items() if kind not in ("sea", "house")}
    moved = dict(list(kept.items())[:2])
    write_content(root / "split.pkl", encode_split("train", {k: v for k, v in kept.items() if k not in moved}))
    write_content(root / "valid.json", encode_split("train", moved))
    text = _report(root, "--valid-split-pickle", str(root / "valid.json"), "--lam-u", "0", "--cache-imgs", "none")
    assert "no labelled image of 3 classes" in text
    assert "'house', 'sea'" in text
    assert "2 images, 0 to 2 per class; " in text
    assert f"2 images of {root / 'valid.json'}" in text
    assert "not used with --lam-u 0" in text
    assert "width x height" not in text
