"""STL-10 from a replica of its binary files; its unlabelled images join the unlabelled pool."""

import hashlib

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from loaders.dataset.index import UNLABELLED, load_index
from loaders.prepare.__main__ import main
from tests.support.sample_images import photo_crops
from tests.support.short_runs import prepare_and_train

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Pixels lie column after column, labels are 1 to 10."""
    folder = tmp_path / "source" / "stl10_binary"
    folder.mkdir(parents=True)
    for seed, (part, count) in enumerate({"train": 30, "test": 20, "unlabeled": 10}.items()):
        photo_crops(count, 96, 96, seed=seed).transpose(0, 3, 2, 1).tofile(folder / f"{part}_X.bin")
        if part != "unlabeled":
            (np.arange(count, dtype=np.uint8) % 10 + 1).tofile(folder / f"{part}_y.bin")
    for key in ("train_list", "test_list"):
        entries = [
            [name, hashlib.md5((folder / name).read_bytes()).hexdigest()] for name, _ in getattr(datasets.STL10, key)
        ]
        monkeypatch.setattr(datasets.STL10, key, entries)
    return tmp_path / "source"


def test_stl10(source, tmp_path, capsys):
    facts = prepare_and_train(tmp_path, ["stl10", "--source", str(source)], "stl10")
    assert (facts["classes"], facts["labelled_images"], facts["validation_images"]) == (10, 20, 20)
    assert facts["unlabelled_images"] == 30 - 20 + 10
    index = load_index(tmp_path / "data" / "stl10", "train")
    assert index.ids[9] == UNLABELLED + "00009.png"
    assert (index.labels[:10] == -1).all()
    assert index.class_names[index.labels[index.ids.index("00002.png")]] == "car"
    np.testing.assert_array_equal(np.asarray(Image.open(index.paths[9])), photo_crops(10, 96, 96, seed=2)[9])
    capsys.readouterr()
    arguments = ["stl10", "--source", str(source), "--output", str(tmp_path / "data")]
    assert main(arguments) == 0
    assert "30 train images, 20 test images, 10 unlabelled images, 10 classes; is up to date" in capsys.readouterr().out


def test_mistakes(source, tmp_path, capsys):
    arguments = ["stl10", "--source", str(source), "--output", str(tmp_path / "data")]
    (source / "stl10_binary" / "unlabeled_X.bin").write_bytes(b"damaged")
    assert main(arguments) == 2
    assert "the files of STL-10 in" in capsys.readouterr().err
    (source / "stl10_binary").rename(source / "elsewhere")
    (source / "stl10_binary.tar.gz").write_bytes(b"damaged")
    assert main(arguments) == 2
    assert "stl10_binary.tar.gz is damaged" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
