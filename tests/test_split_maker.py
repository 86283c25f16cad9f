"""The labelled draw: fixed for ever, and safe to run twice."""

import numpy as np
import pandas as pd
import pytest

import split_maker
from conftest import make_dataset
from loaders.index import LabelTable
from loaders.splits import read_class_names, read_split

CLASSES = ("cat", "ant", "bee")


@pytest.fixture
def root(tmp_path):
    make_dataset(tmp_path, "toy", CLASSES, train=9, test=2)
    return tmp_path


def _run(root, *flags):
    return split_maker.main(
        ["--dataset_path", str(root), "--dataset-name", "toy", "--output-path", str(root / "splits"), *flags]
    )


@pytest.mark.parametrize("seed", [0, 123])
def test_the_draw_is_numpys_legacy_stream(root, seed):
    """Written out the obvious way, with the global generator."""
    assert _run(root, "--instances-per-label", "4", "--random-seed", str(seed)) == 0
    table = pd.read_feather(root / "toy" / "labels" / "labels_train.feather")
    np.random.seed(seed)
    expected = {}
    for name in sorted(CLASSES):
        for file in np.random.choice(table[table["class"] == name]["id"].tolist(), 4, replace=False):
            expected[str(file)] = name
    assert read_split(root / "splits" / f"toy_labelled_data_4_seed{seed}.pkl").classes == expected


def test_a_known_draw_never_changes():
    table = LabelTable(ids=[f"{row:02d}" for row in range(30)], classes=[CLASSES[row % 3] for row in range(30)])
    chosen, exhausted = split_maker.draw_labelled(table, per_class=3, seed=123)
    assert list(chosen) == GOLDEN
    assert exhausted == []


def test_a_small_class_gives_all_and_draws_nothing():
    classes = ["ant"] * 2 + ["bee"] * 10
    both = LabelTable(ids=[str(row) for row in range(12)], classes=classes)
    alone = LabelTable(ids=both.ids[2:], classes=classes[2:])
    chosen, exhausted = split_maker.draw_labelled(both, per_class=3, seed=5)
    assert exhausted == ["ant"]
    assert {name for name, kind in chosen.items() if kind == "ant"} == {"0", "1"}
    rest = {name: kind for name, kind in chosen.items() if kind == "bee"}
    assert rest == split_maker.draw_labelled(alone, per_class=3, seed=5)[0]


def test_files(root, capsys):
    assert _run(root, "--instances-per-label", "9", "--random-seed", "000") == 0
    shown = capsys.readouterr()
    assert "3 classes have 9 images or fewer" in shown.err
    assert "27 labelled images (9 to 9 a class) of 27, 6 validation images" in shown.out
    names = sorted(path.name for path in (root / "splits").iterdir())
    assert names == ["toy_classes.pkl", "toy_labelled_data_9_seed0.pkl", "toy_valid_data.pkl"]
    assert read_class_names(root / "splits" / "toy_classes.pkl") == ["ant", "bee", "cat"]
    assert read_split(root / "splits" / "toy_valid_data.pkl").part == "test"


def test_equal_files_are_left_and_others_protected(root, capsys):
    assert _run(root) == 0
    assert _run(root) == 0
    path = root / "splits" / "toy_labelled_data_10_seed0.pkl"
    table = pd.read_feather(root / "toy" / "labels" / "labels_train.feather")
    table.iloc[:20].to_feather(root / "toy" / "labels" / "labels_train.feather")
    before = path.read_bytes()
    assert _run(root) == 2
    assert "pass --force" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert _run(root, "--force") == 0
    assert path.read_bytes() != before


@pytest.mark.parametrize(
    "flags",
    [
        ["--instances-per-label", "0"],
        ["--random-seed", "-1"],
        ["--random-seed", "x"],
        ["--dataset-name", "gone"],
        ["--sed", "1"],
    ],
)
def test_mistakes(root, flags, capsys):
    assert _run(root, *flags) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (root / "splits").exists()


GOLDEN = ["13", "01", "22", "11", "17", "14", "06", "03", "24"]
