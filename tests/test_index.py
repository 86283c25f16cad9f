"""The dataset folder: sorted, checked, named in every complaint."""

import pandas as pd
import pytest

from conftest import make_dataset
from loaders.index import dataset_folder, load_index, read_label_table, table_path
from utils.errors import SemcoError

CLASSES = ("cat", "ant", "bee")


@pytest.fixture
def folder(tmp_path):
    make_dataset(tmp_path, "toy", CLASSES, train=4, test=2)
    return tmp_path / "toy"


def _rewrite(folder, rows, part="train", columns=("id", "class")):
    pd.DataFrame(rows, columns=list(columns)).to_feather(table_path(folder, part))


def test_sorted_whatever_the_order_on_disk(folder):
    index = load_index(folder, "train")
    assert index.class_names == ("ant", "bee", "cat")
    assert list(index.ids) == sorted(index.ids)
    assert index.labels.tolist() == [2] * 4 + [0] * 4 + [1] * 4
    assert all(path.is_file() for path in index.paths)
    table = pd.read_feather(table_path(folder, "train"))
    table.sample(frac=1, random_state=1).reset_index(drop=True).to_feather(table_path(folder, "train"))
    shuffled = load_index(folder, "train")
    assert shuffled.ids == index.ids
    assert shuffled.fingerprint() == index.fingerprint()
    assert load_index(folder, "test").fingerprint() != index.fingerprint()


def test_file_order_is_kept_in_the_table(folder):
    raw = pd.read_feather(table_path(folder, "train"))["id"].tolist()
    assert read_label_table(table_path(folder, "train")).ids == raw
    assert raw != sorted(raw)


def test_given_class_names(folder):
    index = load_index(folder, "test", class_names=["cat", "zebra", "bee", "ant"])
    assert index.labels.tolist() == [0, 0, 3, 3, 2, 2]
    with pytest.raises(SemcoError, match=r"has the class 'bee', which the list of 2 classes lacks"):
        load_index(folder, "test", class_names=["cat", "ant"])


def test_images_without_a_class(folder):
    table = pd.read_feather(table_path(folder, "train"))
    table.loc[table["id"] == "000_000.png", "class"] = None
    table.to_feather(table_path(folder, "train"))
    index = load_index(folder, "train")
    assert index.labels[0] == -1
    assert (index.labels[1:] >= 0).all()


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([("a.png", "cat")], ("file", "class"), "lacks the column 'id' (it has file, class)"),
        ([("a.png", "cat")], ("id", "label"), "lacks the column 'class'"),
        ([], ("id", "class"), "is empty"),
        ([("a.png", "cat"), ("a.png", "bee")], ("id", "class"), "names 'a.png' 2 times"),
        ([("", "cat")], ("id", "class"), "row 0 has no file name"),
        ([(None, "cat")], ("id", "class"), "row 0 has no file name"),
        ([("../x.png", "cat")], ("id", "class"), "not inside the dataset folder"),
        ([("/etc/passwd", "cat")], ("id", "class"), "not inside the dataset folder"),
        ([("a\\b.png", "cat")], ("id", "class"), "not inside the dataset folder"),
        ([("000_000.png", 3.5)], ("id", "class"), "has a class of type float, expected a name"),
        ([("000_000.png", " ")], ("id", "class"), "has the class ' ', which is empty"),
        ([("000_000.png", "cat")], ("id", "class"), "at least two"),
        ([("gone.png", "cat"), ("lost.png", "bee")], ("id", "class"), "gone.png does not exist (and 1 more)"),
    ],
)
def test_tables_that_make_no_sense(folder, rows, columns, words):
    _rewrite(folder, rows, columns=columns)
    with pytest.raises(SemcoError) as caught:
        load_index(folder, "train")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_as_file_names(folder):
    (folder / "train" / "7").write_bytes((folder / "train" / "000_000.png").read_bytes())
    _rewrite(folder, [(7, "cat")])
    assert load_index(folder, "train", class_names=["cat", "dog"]).ids == ("7",)


def test_missing_and_damaged_tables(folder):
    table_path(folder, "test").write_bytes(b"not feather")
    with pytest.raises(SemcoError, match="cannot be read as feather"):
        load_index(folder, "test")
    table_path(folder, "test").unlink()
    with pytest.raises(SemcoError, match=r"labels_test\.feather does not exist"):
        load_index(folder, "test")


def test_missing_image_folder(folder):
    (folder / "test").rename(folder / "elsewhere")
    with pytest.raises(SemcoError, match="image folder .*test cannot be read"):
        load_index(folder, "test")


def test_subfolders(folder):
    (folder / "train" / "deep").mkdir()
    (folder / "train" / "000_000.png").rename(folder / "train" / "deep" / "x.png")
    _rewrite(folder, [("deep/x.png", "cat"), ("001_000.png", "ant")])
    assert load_index(folder, "train").ids == ("001_000.png", "deep/x.png")


def test_dataset_folder(tmp_path, folder):
    assert dataset_folder(tmp_path, "toy") == folder
    with pytest.raises(SemcoError, match=r"no dataset 'tyo' .*there: toy"):
        dataset_folder(tmp_path, "tyo")
    with pytest.raises(SemcoError, match="SEMCO_DATA_PATH"):
        dataset_folder(None, "toy")
    with pytest.raises(SemcoError, match="is no folder"):
        dataset_folder(tmp_path / "gone", "toy")
