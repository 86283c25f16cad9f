"""Caltech-256 from a replica of its folders."""

import numpy as np
import pytest

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from loaders.prepare.published import caltech256
from tests.support.short_runs import prepare_and_train, save_photo

pytestmark = pytest.mark.usefixtures("no_pictures")
CATEGORIES = ("001.ak47", "002.american-flag", "145.motorbikes-101", "257.clutter")


@pytest.fixture
def source(tmp_path, monkeypatch):
    folder = tmp_path / "source" / "256_ObjectCategories"
    for category in CATEGORIES:
        for number in range(1, 8):
            save_photo(folder / category / f"{category[:3]}_{number:04d}.jpg", seed=number)
    (folder / "001.ak47" / "RENAME2").write_text("left behind")
    save_photo(folder / "001.ak47" / "greg" / "001_0001.jpg")
    monkeypatch.setattr(caltech256, "TOTALS", {"categories": 4, "images": 28})
    return tmp_path / "source"


def test_caltech256(source, tmp_path):
    facts = prepare_and_train(tmp_path, ["caltech256", "--source", str(source)], "caltech256")
    # A fifth of seven is one.
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (4, 8, 16)
    assert facts["validation_images"] == 4
    index = load_index(tmp_path / "data" / "caltech256", "test")
    assert index.class_names == ("ak47", "american-flag", "clutter", "motorbikes")
    stream = np.random.RandomState(123)
    firsts = [stream.permutation(7)[0] + 1 for _ in index.class_names]
    expected = [f"{number}_{first:04d}.jpg" for number, first in zip(("001", "002", "257", "145"), firsts, strict=True)]
    assert sorted(expected) == list(index.ids)


def test_mistakes(source, capsys):
    inner = source / "256_ObjectCategories"
    arguments = ["caltech256", "--source", str(inner), "--output", str(source.parent / "data")]
    (inner / "257.clutter" / "257_0007.jpg").unlink()
    assert main(arguments) == 2
    assert "holds 27 images, expected 28" in capsys.readouterr().err
    for path in (inner / "257.clutter").iterdir():
        path.unlink()
    assert main(arguments) == 2
    assert "257.clutter holds no image" in capsys.readouterr().err
    (inner / "257.clutter").rmdir()
    assert main(arguments) == 2
    assert "holds 3 categories, expected 4" in capsys.readouterr().err
    assert not (source.parent / "data").exists()
