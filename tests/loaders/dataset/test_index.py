"""The dataset folder: sorted, checked, named in every complaint."""

import pandas as pd
import pytest

from loaders.dataset.index import UNLABELLED, dataset_folder, load_index, table_path
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


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("0.jpg", "0"),
        ("0.JPG", "0.jpg"),
        ("0.jpg", "0.png"),
        ("deep/0.jpg", "Deep/0.jpg"),
        ("e\u0301.png", "\u00e9.png"),
    ],
)
def test_a_file_of_almost_this_name_is_named(folder, file, name):
    (folder / "train" / "deep").mkdir()
    (folder / "train" / "000_000.png").rename(folder / "train" / file)
    _rewrite(folder, [(name, "cat"), ("001_000.png", "ant")])
    with pytest.raises(SemcoError) as caught:
        load_index(folder, "train")
    assert f"does not exist, but {file} is there: write ids as the files are called" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "renamed", "words"),
    [
        ("train", "Train", "Train is not read under this name: rename it to train"),
        ("test", "Testing", "Testing is not read under this name: rename it to test"),
        ("test", "val", "val is not read under this name: rename it to test"),
        ("unlabelled", "unlabeled", "unlabeled is not read under this name: rename it to unlabelled"),
        ("unlabelled", "Unlabelled", "Unlabelled is not read under this name: rename it to unlabelled"),
    ],
)
def test_parts_of_other_names_are_refused_with_the_name_to_use(tmp_path, folder, name, renamed, words):
    (folder / "unlabelled").mkdir()
    (folder / name).rename(folder / renamed)
    with pytest.raises(SemcoError, match=words):
        dataset_folder(tmp_path, "toy")


def test_a_second_folder_of_a_part_is_refused(tmp_path, folder):
    for name in ("unlabelled", "valid"):
        (folder / name).mkdir()
    assert dataset_folder(tmp_path, "toy") == folder
    (folder / "unlabeled").mkdir()
    with pytest.raises(SemcoError, match="unlabeled stands beside unlabelled/ and is not read: move its images"):
        dataset_folder(tmp_path, "toy")


@pytest.mark.parametrize("name", ["unlabelled", "Unlabeled"])
def test_unlabelled_images_inside_train_are_not_overlooked(folder, name):
    (folder / "train" / name).mkdir()
    (folder / "train" / name / "x.png").write_bytes(b"")
    with pytest.raises(SemcoError, match=f"train/{name} holds images that no label table names: move it beside train/"):
        load_index(folder, "train")


def test_what_systems_leave_is_no_unlabelled_image(folder, caplog):
    for name in ("a.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "deep/@eaDir/a.jpg", "__MACOSX/._a.jpg",
                 ".ipynb_checkpoints/b.jpg", "deep/b.jpg"):  # fmt: skip
        (folder / "unlabelled" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "unlabelled" / name).write_bytes(b"")
    index = load_index(folder, "train")
    assert [name for name in index.ids if name.startswith(UNLABELLED)] == [
        UNLABELLED + "a.jpg",
        UNLABELLED + "deep/b.jpg",
    ]
    (message,) = caplog.messages
    assert message.startswith("6 files in ")
    assert message.endswith("skipped: .DS_Store, ...")


def test_listed_classes_without_a_training_image_are_warned_about(folder, caplog):
    load_index(folder, "train", class_names=["class", *CLASSES])
    (message,) = caplog.messages
    assert message.startswith("1 of the 4 listed classes have no training image: 'class'; ")
    caplog.clear()
    load_index(folder, "train", class_names=[*CLASSES, *(f"c{number:02d}" for number in range(30))])
    (message,) = caplog.messages
    assert "'c09' and 20 more;" in message
    caplog.clear()
    load_index(folder, "train", class_names=CLASSES)
    load_index(folder, "test", class_names=["class", *CLASSES])
    assert not caplog.messages


def test_a_listed_class_is_found_whatever_its_blanks(folder):
    index = load_index(folder, "train", class_names=["cat ", " ant", "bee"])
    assert index.class_names == ("cat", "ant", "bee")
    with pytest.raises(SemcoError, match="'cat' and 'cat ', which are one class"):
        load_index(folder, "train", class_names=["cat", "cat ", "ant", "bee"])


def test_dataset_folder(tmp_path, folder):
    assert dataset_folder(tmp_path, "toy") == folder
    with pytest.raises(SemcoError, match=r"no dataset 'tyo' .*there: toy"):
        dataset_folder(tmp_path, "tyo")
    with pytest.raises(SemcoError, match="SEMCO_DATA_PATH"):
        dataset_folder(None, "toy")
    with pytest.raises(SemcoError, match="is no folder"):
        dataset_folder(tmp_path / "gone", "toy")
