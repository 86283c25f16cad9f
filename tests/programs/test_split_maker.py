"""The program that makes and checks splits: its files, its flags, safe to run twice."""

import shutil

import pandas as pd
import pytest

import split_maker
from loaders.dataset.split import read_split
from tests.support.datasets import make_dataset
from utils.files.tables import read_class_names

CLASSES = ("cat", "ant", "bee")


@pytest.fixture
def root(tmp_path):
    make_dataset(tmp_path, "toy", CLASSES, train=9, test=2)
    return tmp_path


def _run(root, *flags):
    return split_maker.main(
        ["--dataset_path", str(root), "--dataset-name", "toy", "--output-path", str(root / "splits"), *flags]
    )


def _names(root):
    return sorted(path.name for path in (root / "splits").iterdir())


def test_files(root, capsys):
    assert _run(root, "--instances-per-label", "9", "--random-seed", "000") == 0
    shown = capsys.readouterr()
    assert "all images of 3 classes are labelled" in shown.err
    assert "27 images of train/, 9 to 9 in each of 3 classes, fingerprint" in shown.out
    assert "6 images of test/" in shown.out
    assert _names(root) == ["toy_classes.pkl", "toy_labelled_data_9_seed0.pkl", "toy_valid_data.pkl"]
    assert read_class_names(root / "splits" / "toy_classes.pkl") == ["ant", "bee", "cat"]
    assert read_split(root / "splits" / "toy_valid_data.pkl").part == "test"


@pytest.mark.parametrize(
    "seeds", [["--random-seed", "0", "1", "2"], ["--random-seed=0", "--random-seed", "1", "2", "1"]]
)
def test_several_seeds(root, seeds):
    assert _run(root, "--instances-per-label", "3", *seeds) == 0
    splits = [read_split(root / "splits" / f"toy_labelled_data_3_seed{seed}.pkl") for seed in range(3)]
    assert len({split.fingerprint() for split in splits}) == 3
    assert len(_names(root)) == 5


def test_labels_in_total(root):
    assert _run(root, "--labels-total", "10") == 0
    split = read_split(root / "splits" / "toy_labelled_data_total10_seed0.pkl")
    assert sorted(pd.Series(split.classes).value_counts()) == [3, 3, 4]


@pytest.mark.parametrize(("format_", "suffix"), [("pickle", ".pkl"), ("csv", ".csv"), ("json", ".json")])
def test_formats_and_validation_from_train(root, format_, suffix):
    flags = ["--instances-per-label", "3", "--valid-per-label", "2", "--format", format_]
    assert _run(root, *flags, "--random-seed", "4") == 0
    labelled = read_split(root / "splits" / f"toy_labelled_data_3_seed4{suffix}")
    valid = read_split(root / "splits" / f"toy_valid_data_2_beside_3_seed4{suffix}")
    assert (labelled.part, valid.part, len(valid)) == ("train", "train", 6)
    assert not labelled.classes.keys() & valid.classes.keys()
    assert read_class_names(root / "splits" / f"toy_classes{suffix}") == ["ant", "bee", "cat"]
    assert _run(root, "--check", str(labelled.path), str(valid.path)) == 0


def test_a_dataset_without_test_images(root, capsys):
    (root / "toy" / "labels" / "labels_test.feather").unlink()
    shutil.rmtree(root / "toy" / "test")
    assert _run(root, "--instances-per-label", "3") == 0
    assert "--valid-per-label" in capsys.readouterr().err
    assert _names(root) == ["toy_classes.pkl", "toy_labelled_data_3_seed0.pkl"]


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


def test_check(root, capsys):
    assert _run(root, "--instances-per-label", "3") == 0
    path = root / "splits" / "toy_labelled_data_3_seed0.pkl"
    capsys.readouterr()
    assert _run(root, "--check", str(path)) == 0
    shown = capsys.readouterr()
    assert "unlabelled: 18 images" in shown.out
    assert "problems: none" in shown.out
    table = pd.read_feather(root / "toy" / "labels" / "labels_train.feather")
    gone = next(iter(read_split(path).classes))
    table[table["id"] != gone].reset_index(drop=True).to_feather(root / "toy" / "labels" / "labels_train.feather")
    assert _run(root, "--check", str(path)) == 2
    shown = capsys.readouterr()
    assert f"train/{gone}" in shown.out
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--instances-per-label", "0"], "whole number from 1"),
        (["--labels-total", "x"], "whole number from 1"),
        (["--labels-total", "2"], "less than the 3 classes"),
        (["--labels-total", "30", "--instances-per-label", "10"], "not allowed with"),
        (["--valid-per-label", "9", "--instances-per-label", "3"], "--valid-per-label 9"),
        (["--random-seed", "-1"], "--random-seed"),
        (["--random-seed", "0", "x"], "whole number below 2**32"),
        (["--random-seed"], "--random-seed"),
        (["--format", "xml"], "xml"),
        (["--dataset-name", "gone"], "no dataset 'gone'"),
        (["--sed", "1"], "unknown flag --sed"),
        (["--check", "gone.pkl"], "cannot read gone.pkl"),
        (["--check", "a", "b", "c"], "--check takes"),
    ],
)
def test_mistakes(root, flags, words, capsys):
    assert _run(root, *flags) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert words in shown
    assert not (root / "splits").exists()
