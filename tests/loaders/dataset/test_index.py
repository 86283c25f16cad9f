"""The dataset folder: sorted, checked, named in every complaint."""

import pandas as pd
import pytest

from loaders.dataset.index import dataset_folder, load_index, table_path
from tests.support.datasets import make_dataset
from utils.errors import SemcoError

CLASSES = ("cat", "ant", "bee")


@pytest.fixture
def folder(tmp_path):
    make_dataset(tmp_path, "toy", CLASSES, train=4, test=2)
    return tmp_path / "toy"


def _rewrite(folder, rows):
    pd.DataFrame(rows, columns=["id", "class"]).to_feather(table_path(folder, "train"))


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
    assert (index.classes["000_000.png"], index.classes["001_000.png"]) == (None, "ant")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("000_000.png", "cat")], "at least two"),
        ([("gone.png", "cat"), ("lost.png", "bee")], "gone.png does not exist (and 1 more)"),
    ],
)
def test_tables_of_another_dataset(folder, rows, words):
    _rewrite(folder, rows)
    with pytest.raises(SemcoError) as caught:
        load_index(folder, "train")
    assert words in str(caught.value)


def test_numbers_as_file_names(folder):
    (folder / "train" / "7").write_bytes((folder / "train" / "000_000.png").read_bytes())
    _rewrite(folder, [(7, "cat")])
    assert load_index(folder, "train", class_names=["cat", "dog"]).ids == ("7",)


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
