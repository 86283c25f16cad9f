import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.answers.class_folders import class_folders, copy_into_folders, safe_name

HOSTILE = [
    "../../etc",
    "/root",
    "..",
    ".",
    "a/b",
    "a\\b",
    "con",
    "nul.txt",
    ".ssh",
    "x" * 300,
    "ü" * 150,
    "a:b",
    "\u202egnp",
    "a\nb",
    " . ",
    "",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_become_one_visible_folder(tmp_path, name):
    folder = class_folders([name])[name]
    path = tmp_path / folder
    path.mkdir()
    assert path.resolve().parent == tmp_path
    assert not folder.startswith(".")
    assert len(folder.encode()) <= 110


@given(st.lists(st.text(max_size=20), unique=True, max_size=8))
def test_no_two_classes_share_a_folder_and_nothing_leads_out(names):
    folders = class_folders(names)
    assert list(folders) == names
    assert len({folder.casefold() for folder in folders.values()}) == len(names)
    assert not any("/" in folder or "\\" in folder or folder in ("", ".", "..") for folder in folders.values())


def test_plain_names_stay_as_they_are():
    assert class_folders(["a_b", "a/b", "Oak tree", "A_B"]) == {
        "a_b": "a_b", "a/b": "a_b-3", "Oak tree": "Oak tree", "A_B": "A_B-2",
    }  # fmt: skip
    assert safe_name("T-shirt") == "T-shirt"


def test_nothing_is_overwritten_and_a_second_copy_changes_nothing(tmp_path):
    for folder, text in (("one", "1"), ("two", "2"), ("three", "1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_text(text)
    images = [(tmp_path / folder / "a.png", "k") for folder in ("one", "two", "three")]
    goal = tmp_path / "out"
    (goal / "k").mkdir(parents=True)
    (goal / "k" / "a.png").write_text("mine")
    first = copy_into_folders(goal, images, {"k": "k"})
    assert (first.new, first.there) == (2, 1)
    assert {path.name: path.read_text() for path in (goal / "k").iterdir()} == {
        "a.png": "mine",
        "a-2.png": "1",
        "a-3.png": "2",
    }
    second = copy_into_folders(goal, images, {"k": "k"})
    assert (second.new, second.there) == (0, 3)
    assert len(list((goal / "k").iterdir())) == 3
