"""mini-ImageNet from a replica of its CSVs, all 100 classes of it."""

import shutil

import numpy as np
import pytest

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from loaders.prepare.published.mini_imagenet_names import NAMES
from tests.support.short_runs import prepare_and_train, save_photo

pytestmark = pytest.mark.usefixtures("no_pictures")
SIZES = ["--train-per-class", "3", "--test-per-class", "1"]


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    save_photo(folder / "photo.jpg")
    (folder / "images").mkdir()
    synsets = sorted(NAMES)
    for name, chosen in (("train", synsets[:64]), ("val", synsets[64:80]), ("test", synsets[80:])):
        lines = ["filename,label"]
        for synset in chosen:
            for number in range(1, 5):
                file = f"{synset}{number:08d}.jpg"
                shutil.copyfile(folder / "photo.jpg", folder / "images" / file)
                lines.append(f"{file},{synset}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def _prepare(source, *flags):
    return main(["mini_imagenet", "--source", str(source), "--output", str(source.parent / "data"), *flags])


def test_mini_imagenet(source, tmp_path):
    facts = prepare_and_train(
        tmp_path, ["mini_imagenet", "--source", str(source), *SIZES], "mini_imagenet", per_label=1
    )
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (100, 100, 200)
    assert (facts["validation_images"], facts["statistics"]) == (100, "imagenet")
    index = load_index(tmp_path / "data" / "mini_imagenet", "test")
    assert np.bincount(index.labels).tolist() == [1] * 100
    assert index.class_names[index.labels[0]] == "house_finch"


def test_the_division_hangs_on_the_seed_alone(source, tmp_path):
    def test_images(name, *flags):
        assert _prepare(source, *SIZES, "--dataset-name", name, *flags) == 0
        return load_index(tmp_path / "data" / name, "test").ids

    first = test_images("a")
    for path in source.glob("*.csv"):
        header, *lines = path.read_text().splitlines()
        path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    assert test_images("b") == first
    assert test_images("c", "--random-seed", "1") != first


def test_mistakes(source, capsys):
    assert _prepare(source) == 2
    assert "has 4 images in" in (shown := capsys.readouterr().err)
    assert "expected 600" in shown
    assert _prepare(source, "--test-per-class", "0") == 2
    assert "--test-per-class" in capsys.readouterr().err
    whole = (source / "val.csv").read_text()
    (source / "val.csv").write_text(whole.replace("label", "class"))
    assert _prepare(source, *SIZES) == 2
    assert "expected the columns filename,label, found filename,class" in capsys.readouterr().err
    (source / "val.csv").write_text(whole + "x.jpg,n00000000\n")
    assert _prepare(source, *SIZES) == 2
    assert "no image of a class of mini-ImageNet" in capsys.readouterr().err
    (source / "val.csv").write_text("filename,label\n")
    assert _prepare(source, *SIZES) == 2
    assert "name 84 classes, expected 100" in capsys.readouterr().err
    (source / "val.csv").unlink()
    assert _prepare(source, *SIZES) == 2
    assert "val.csv" in capsys.readouterr().err
    assert not (source.parent / "data").exists()
