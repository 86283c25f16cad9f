"""SVHN from a replica of its MATLAB files."""

import hashlib

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from tests.support.sample_images import photo_crops
from tests.support.short_runs import prepare_and_train

pytestmark = pytest.mark.usefixtures("no_pictures")
COUNTS = {"train": 40, "test": 20}


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Labels are 1 to 10, and 10 stands for the digit zero."""
    folder, entries = tmp_path / "source", {}
    folder.mkdir()
    for seed, (part, count) in enumerate(COUNTS.items()):
        path = folder / f"{part}_32x32.mat"
        pixels = photo_crops(count, 32, 32, seed=seed).transpose(1, 2, 3, 0)
        savemat(path, {"X": pixels, "y": (np.arange(count, dtype=np.uint8) % 10 + 1)[:, None]})
        entries[part] = ["file:///no/such/file", path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(datasets.SVHN, "split_list", entries)
    return folder


def test_svhn(source, tmp_path):
    facts = prepare_and_train(tmp_path, ["svhn", "--source", str(source)], "svhn")
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (10, 20, 20)
    assert facts["validation_images"] == 20
    assert facts["statistics"] == "computed from the training images"
    index = load_index(tmp_path / "data" / "svhn", "train")
    assert [index.class_names[index.labels[row]] for row in (0, 8, 9)] == ["one", "nine", "zero"]
    np.testing.assert_array_equal(np.asarray(Image.open(index.paths[9])), photo_crops(40, 32, 32, seed=0)[9])


def test_mistakes(source, tmp_path, capsys):
    arguments = ["svhn", "--source", str(source), "--output", str(tmp_path / "data")]
    (source / "test_32x32.mat").write_bytes(b"damaged")
    assert main(arguments) == 2
    assert "the files of SVHN in" in capsys.readouterr().err
    (source / "test_32x32.mat").unlink()
    assert main([*arguments, "--download"]) == 2
    assert "SVHN cannot be fetched into" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
