"""Splits compared with their dataset: unknown images, wrong classes, overlaps, equal files."""

import shutil

import pytest

from loaders.dataset.split import Split
from loaders.dataset.split_check import SplitReport, check_splits, format_report
from tests.support.datasets import make_dataset
from utils.errors import SemcoError
from utils.progress import Progress

CLASSES = ("cat", "ant", "bee")
LABELLED = {"000_000.png": "cat", "001_000.png": "ant", "002_000.png": "bee"}
VALIDATION = {"000_001.png": "cat", "001_001.png": "ant"}


@pytest.fixture
def folder(tmp_path):
    make_dataset(tmp_path, "toy", CLASSES, train=4, test=2)
    return tmp_path / "toy"


def _split(classes, part="train"):
    return Split(part=part, classes=classes, path=f"{part}.pkl")


def _check(folder, labelled=LABELLED, validation=None, part="train"):
    valid = None if validation is None else _split(validation, part)
    return check_splits(folder, _split(labelled), valid, progress=Progress(enabled=False))


def test_a_good_split(folder):
    report = _check(folder)
    assert (report.problems, report.duplicates) == ([], [])
    assert {name: counts.total() for name, counts in report.counts.items()} == {
        "labelled": 3,
        "unlabelled": 9,
        "test": 6,
    }
    text = format_report(report)
    assert "unlabelled: 9 images, 3 classes, 3 to 3 images per class" in text
    assert "problems: none" in text


@pytest.mark.parametrize(
    ("part", "validation", "expected"),
    [
        ("train", VALIDATION, {"labelled": 3, "validation": 2, "unlabelled": 7, "test": 6}),
        ("test", VALIDATION, {"labelled": 3, "validation": 2, "unlabelled": 9, "test": 4}),
    ],
)
def test_validation_images_are_a_pool_of_their_own(folder, part, validation, expected):
    report = _check(folder, validation=validation, part=part)
    assert {name: counts.total() for name, counts in report.counts.items()} == expected
    assert not report.problems


@pytest.mark.parametrize(
    ("labelled", "validation", "words"),
    [
        ({**LABELLED, "gone.png": "cat", "lost.png": "ant"}, None, "2 images (train/gone.png, train/lost.png)"),
        ({**LABELLED, "000_001.png": "dog"}, None, "1 image (train/000_001.png ('dog')) of a class that"),
        ({**LABELLED, "000_001.png": "bee"}, None, "1 image (train/000_001.png ('bee', not 'cat')) of another class"),
        ({"000_000.png": "cat"}, None, "no labelled image of 2 classes: 'ant', 'bee'"),
        (LABELLED, {"000_000.png": "cat"}, "1 image (train/000_000.png) labelled and in the validation split"),
        ({f"gone{number}.png": "cat" for number in range(12)}, None, "gone9.png and 2 more)"),
    ],
)
def test_problems(folder, labelled, validation, words):
    report = _check(folder, labelled, validation)
    assert words in "\n".join(report.problems)
    assert words in format_report(report)


def test_equal_files_in_different_pools(folder):
    shutil.copy(folder / "train" / "000_000.png", folder / "test" / "001_001.png")
    shutil.copy(folder / "train" / "002_003.png", folder / "train" / "002_002.png")
    report = _check(folder)
    # The two equal unlabelled images are in one pool.
    assert report.duplicates == [["test/001_001.png", "train/000_000.png"]]
    assert "test/001_001.png = train/000_000.png" in format_report(report)
    assert not report.problems


def test_a_dataset_without_a_test_part(folder):
    shutil.rmtree(folder / "test")
    (folder / "labels" / "labels_test.feather").unlink()
    assert set(_check(folder).counts) == {"labelled", "unlabelled"}
    assert "the dataset has no test/" in _check(folder, validation=VALIDATION, part="test").problems[0]


def test_a_test_split_is_no_labelled_split(folder):
    with pytest.raises(SemcoError, match="names images of test/"):
        check_splits(folder, _split(LABELLED, "test"), progress=Progress(enabled=False))


def test_no_line_names_more_than_ten_things():
    group = [f"train/{number}.png" for number in range(30)]
    report = SplitReport(problems=[], counts={}, duplicates=[group] * 14)
    lines = format_report(report).splitlines()
    assert lines[0] == "equal files in different pools: 14"
    assert len(lines) == 1 + 10 + 1 + 1
    assert lines[1].endswith("train/9.png and 20 more")
    assert lines[11] == "  and 4 more groups"
