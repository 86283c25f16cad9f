import io
import os
from types import SimpleNamespace

import pandas as pd
import pytest

from loaders.photos.find import find_photos, missing_files
from tests.support.short_runs import save_photo
from utils.errors import SemcoError

FOLDERS = {"cat": "cat", "a_b": "a/b"}


@pytest.fixture
def photos(tmp_path):
    for name in ("cat/x/1.png", "cat/2.JPG", "a_b/3.webp", "other/4.png", ".hidden/5.png", "cat/._6.png"):
        save_photo(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    return tmp_path / "in"


def _names(found, root):
    return [photo.path.relative_to(root).as_posix() for photo in found.photos]


def test_folders_are_searched_in_order_and_tell_the_class(photos):
    found = find_photos([str(photos)], FOLDERS)
    assert _names(found, photos) == ["a_b/3.webp", "cat/2.JPG", "cat/x/1.png", "other/4.png"]
    assert [photo.truth for photo in found.photos] == ["a/b", "cat", "cat", None]
    assert [path.name for path in found.ignored] == ["notes.txt"]


def test_globs_files_and_folders_mix_and_each_image_counts_once(photos):
    found = find_photos([f"{photos}/cat/*.JPG", str(photos / "cat"), str(photos / "cat" / "2.JPG")], FOLDERS)
    assert _names(found, photos) == ["cat/2.JPG", "cat/x/1.png"]
    assert len(find_photos([f"{photos}/**/*.png"], FOLDERS).photos) == 2
    assert _names(find_photos([f"{photos}/c*"], FOLDERS), photos) == ["cat/2.JPG", "cat/x/1.png"]


def test_a_file_whose_name_is_a_glob_is_that_file(tmp_path):
    save_photo(tmp_path / "a[1].png")
    save_photo(tmp_path / "a1.png")
    assert _names(find_photos([str(tmp_path / "a[1].png")], {}), tmp_path) == ["a[1].png"]


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
def test_lists_on_stdin(photos, monkeypatch, separator):
    text = separator.join([str(photos / "cat/2.JPG"), str(photos / "other/4.png")])
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(os.fsencode(text))))
    found = find_photos(["-"], FOLDERS)
    assert [photo.truth for photo in found.photos] == ["cat", None]


def test_an_empty_list_is_refused(monkeypatch):
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"\n\n")))
    with pytest.raises(SemcoError, match="stdin is empty"):
        find_photos(["-"], {})


def test_a_datasets_part_knows_its_classes(tiny_dataset):
    found = find_photos([str(tiny_dataset / "tiny" / "test")], {})
    table = pd.read_feather(tiny_dataset / "tiny" / "labels" / "labels_test.feather")
    assert {photo.path.name: photo.truth for photo in found.photos} == dict(
        zip(table["id"], table["class"], strict=True)
    )


@pytest.mark.parametrize("argument", ["nothing.png", "nothing/*.png", "empty"])
def test_what_leads_to_nothing_is_one_line(tmp_path, monkeypatch, argument):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SemcoError, match=argument.split("/")[0]):
        find_photos([argument], {})


def test_missing_files_are_found_before_anything_is_decoded(tmp_path):
    (tmp_path / "list.csv").write_text("file\na.png\nb.png\n")
    save_photo(tmp_path / "a.png")
    found = find_photos([str(tmp_path / "list.csv")], {})
    assert list(missing_files(found.photos)) == [1]
