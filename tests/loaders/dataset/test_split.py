"""Split files in three formats, checked against the dataset."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.dataset.index import load_index
from loaders.dataset.split import encode_split, locate_split, read_split, write_content
from tests.support.datasets import make_dataset
from utils.errors import SemcoError
from utils.files.tables import SUFFIXES, read_class_names


@pytest.fixture
def index(tmp_path):
    make_dataset(tmp_path, "toy", ("cat", "ant", "bee"), train=4, test=2)
    return load_index(tmp_path / "toy", "train")


@pytest.mark.parametrize("suffix", SUFFIXES.values())
def test_round_trip(tmp_path, suffix):
    classes = {"000_001.png": "cat", "deep/größe, 1.png": 'a "bee"'}
    path = tmp_path / f"split{suffix}"
    write_content(path, encode_split("train", classes))
    split = read_split(path)
    assert (split.part, split.classes, len(split)) == ("train", classes, 2)
    names = ["cat", "ant, red", "bee"]
    write_content(tmp_path / f"classes{suffix}", names)
    assert read_class_names(tmp_path / f"classes{suffix}") == names


def test_the_paper_projects_pickles_load(tmp_path):
    path = tmp_path / "old.pkl"
    path.write_bytes(pickle.dumps({np.str_("train/1.png"): np.str_("cat")}, protocol=2))
    split = read_split(path)
    assert split.classes == {"1.png": "cat"}
    assert type(next(iter(split.classes))) is str


def test_fingerprint_ignores_the_order(tmp_path):
    pairs = {"train/b.png": "cat", "train/a.png": "bee"}
    prints = set()
    for number, content in enumerate((pairs, dict(reversed(pairs.items())), {**pairs, "train/a.png": "cat"})):
        write_content(tmp_path / f"{number}.pkl", content)
        prints.add(read_split(tmp_path / f"{number}.pkl").fingerprint())
    assert len(prints) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "is empty"),
        (["train/a.png"], "holds a list"),
        ({"a.png": "cat"}, "expected train/<id> or test/<id>"),
        ({"valid/a.png": "cat"}, "expected train/<id>"),
        ({"train/": "cat"}, "expected train/<id>"),
        ({"train/a.png": 3}, "expected train/<id> or test/<id> to a class name"),
        ({5: "cat"}, "maps int to str"),
        ({"train/../../x": "cat"}, "not inside the dataset folder"),
        ({"train//etc/passwd": "cat"}, "not inside the dataset folder"),
        ({"train/a.png": "cat", "test/b.png": "cat"}, "mixes train/ and test/"),
    ],
)
def test_splits_that_make_no_sense(tmp_path, content, words):
    path = tmp_path / "split.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(SemcoError) as caught:
        read_split(path)
    assert words in str(caught.value)


def _split(tmp_path, content):
    write_content(tmp_path / "split.pkl", content)
    return read_split(tmp_path / "split.pkl")


def test_positions_and_labels(tmp_path, index):
    positions, labels = locate_split(_split(tmp_path, {"train/002_001.png": "bee", "train/000_003.png": "cat"}), index)
    assert [index.ids[position] for position in positions] == ["000_003.png", "002_001.png"]
    assert labels.tolist() == [2, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"train/gone.png": "cat", "train/lost.png": "bee"}, "names train/gone.png (and 1 more) not in"),
        ({"train/000_000.png": "dog"}, "train/000_000.png ('dog') of a class that the list of classes lacks"),
        ({"train/000_000.png": "bee"}, "train/000_000.png ('bee', not 'cat') of another class in the labels feather"),
    ],
)
def test_splits_of_another_dataset(tmp_path, index, content, words):
    with pytest.raises(SemcoError) as caught:
        locate_split(_split(tmp_path, content), index)
    assert words in str(caught.value)


_GOOD_FILES = {
    "a.json": b'{"train/a.png": "cat", "train/b.png": "bee"}',
    "a.csv": b"train/a.png,cat\ntrain/b.png,bee\n",
    "a.pkl": pickle.dumps({"train/a.png": "cat", np.str_("train/b.png"): "bee"}, protocol=4),
    "b.pkl": pickle.dumps({"train/a.png": "cat", "train/b.png": "bee"}, protocol=0),
    "list.json": b'["cat", "bee"]',
    "list.csv": b"cat\nbee\n",
    "list.pkl": pickle.dumps(["cat", "bee"], protocol=2),
}


@st.composite
def _damaged(draw, good: dict[str, bytes]) -> tuple[str, bytes]:
    """A file's name and its bytes: some changed, some put in, the end cut off, or anything at all."""
    name = draw(st.sampled_from(sorted(good)))
    content = bytearray(good[name])
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return name, bytes(content[: draw(st.integers(0, len(content)))]) if draw(st.booleans()) else bytes(content)


@pytest.mark.parametrize("read", [read_split, read_class_names])
@settings(max_examples=200, deadline=5000)
@given(_damaged(_GOOD_FILES) | st.tuples(st.sampled_from(sorted(_GOOD_FILES)), st.binary(max_size=60)))
def test_any_damage_gives_plain_names_or_one_error(tmp_path_factory, read, file):
    name, content = file
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        found = read(path)
    except SemcoError as error:
        assert str(error).isprintable()
        assert name in str(error)
    else:
        names = found if read is read_class_names else [*found.classes, *found.classes.values()]
        assert all(type(text) is str and text.strip() and text.isprintable() for text in names)


@settings(deadline=None)  # each example waits for the disk
@given(st.dictionaries(st.text(max_size=12), st.text(max_size=4), max_size=4))
def test_any_mapping_gives_a_split_or_one_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.pkl"
    write_content(path, content)
    try:
        split = read_split(path)
    except SemcoError as error:
        assert "\n" not in str(error)
    else:
        assert encode_split(split.part, split.classes) == content


def test_blanks_and_accents_do_not_make_another_class(tmp_path, index):
    """Neither against the table nor against a class list that was written elsewhere."""
    write_content(tmp_path / "x.json", encode_split("train", {"000_000.png": "cat ", "001_000.png": "\tant"}))
    rows, labels = locate_split(read_split(tmp_path / "x.json"), index)
    assert [index.class_names[label] for label in labels] == ["cat", "ant"]
    assert [index.ids[row] for row in rows] == ["000_000.png", "001_000.png"]
    write_content(tmp_path / "y.json", encode_split("train", {"000_000.png": "cafe\u0301"}))
    assert read_split(tmp_path / "y.json").classes == {"000_000.png": "caf\u00e9"}


@pytest.mark.parametrize(("suffix", "content"), [(".CSV", "train/a.png,cat\n"), (".Json", '{"train/a.png": "cat"}')])
def test_suffixes_in_any_case_are_written_as_what_they_name(tmp_path, suffix, content):
    path = tmp_path / f"split{suffix}"
    write_content(path, {"train/a.png": "cat"})
    assert path.read_text().replace("\n", "") == content.replace("\n", "")


@pytest.mark.parametrize("name", ["000_000", "000_000.PNG", "000_000.jpg"])
def test_a_file_of_almost_this_name_is_named(tmp_path, index, name):
    write_content(tmp_path / "x.json", encode_split("train", {name: "cat"}))
    with pytest.raises(SemcoError, match=rf"names train/{name} not in .*, where 000_000\.png is: use the split"):
        locate_split(read_split(tmp_path / "x.json"), index)
