"""CUB-200-2011 from a replica of its lists; its attributes serve as word vectors."""

import numpy as np
import pytest

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from tests.support.short_runs import prepare_and_train, save_photo, train

pytestmark = pytest.mark.usefixtures("no_pictures")
BIRDS = ("001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Painted_Bunting")


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source" / "CUB_200_2011"
    (folder / "attributes").mkdir(parents=True)
    lists = {"images": [], "image_class_labels": [], "train_test_split": []}
    for number in range(1, 16):
        bird = BIRDS[number % 3]
        name = f"{bird}/{bird[4:]}_{number:04d}_{796000 + number}.jpg"
        save_photo(folder / "images" / name, seed=number)
        lists["images"].append(f"{number} {name}")
        lists["image_class_labels"].append(f"{number} {number % 3 + 1}")
        lists["train_test_split"].append(f"{number} {int(number <= 9)}")
    lists["classes"] = [f"{number} {bird}" for number, bird in enumerate(BIRDS, start=1)]
    values = np.random.default_rng(0).uniform(0, 100, (3, 312))
    lists["attributes/class_attribute_labels_continuous"] = [" ".join(f"{one:.6f}" for one in row) for row in values]
    for name, lines in lists.items():
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "source"


def _prepare(source):
    return main(["cub200", "--source", str(source), "--output", str(source.parent / "data")])


def test_cub200(source, tmp_path, capsys):
    facts = prepare_and_train(tmp_path, ["cub200", "--source", str(source)], "cub200")
    assert (facts["classes"], facts["labelled_images"], facts["unlabelled_images"]) == (3, 6, 3)
    assert facts["validation_images"] == 6
    attributes = tmp_path / "data" / "cub200" / "class_attributes.csv"
    assert f"also written: {attributes}\n" in capsys.readouterr().out
    assert train(tmp_path, "cub200", "cub200_labelled_data_2_seed0.pkl", "--word-vec-path", str(attributes)) == 0
    assert "3 classes in 3 groups (eps 0.28, D 312)" in capsys.readouterr().out
    assert load_index(tmp_path / "data" / "cub200", "train").class_names[1] == "Laysan_Albatross"
    assert _prepare(source) == 0
    assert "is up to date" in capsys.readouterr().out
    attributes.write_text("other")
    assert _prepare(source) == 2
    assert "holds something else" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("images.txt", ["1"], "is not `key value`"),
        ("images.txt", ["1 ../../x.jpg"] + [f"{number} x" for number in range(2, 16)], "not inside"),
        ("image_class_labels.txt", ["1 1"], "names 1 images, images.txt 15"),
        ("image_class_labels.txt", [f"{number} 4" for number in range(1, 16)], "holds '4'"),
        ("train_test_split.txt", [f"{number} yes" for number in range(1, 16)], "holds 'yes'"),
        ("train_test_split.txt", [], "is empty"),
        ("attributes/class_attribute_labels_continuous.txt", ["1 2 3"], "expected 312 numbers for each of 3 classes"),
    ],
)
def test_lists_that_make_no_sense(source, capsys, name, lines, words):
    (source / "CUB_200_2011" / name).write_text("\n".join(lines))
    assert _prepare(source) == 2
    shown = capsys.readouterr().err.strip()
    assert words in shown
    assert "\n" not in shown
    assert not (source.parent / "data").exists()


def test_missing_files(source, capsys):
    (source / "CUB_200_2011" / "images" / BIRDS[0] / "Black_footed_Albatross_0003_796003.jpg").unlink()
    assert _prepare(source) == 2
    assert "0003_796003.jpg does not exist" in capsys.readouterr().err
    (source / "CUB_200_2011" / "classes.txt").unlink()
    assert _prepare(source) == 2
    assert "classes.txt: No such file" in capsys.readouterr().err
