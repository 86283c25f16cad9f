"""Split files are written together or not at all."""

from pathlib import Path

import pytest

from loaders.dataset.split import Split, read_split
from loaders.dataset.split_write import SplitFile, describe_split, split_file, write_files
from utils.errors import SemcoError
from utils.files.tables import read_class_names


def _files(folder, suffix=".pkl", label="cat"):
    return [
        SplitFile(folder / f"names{suffix}", ["cat", "bee"], "2 class names"),
        split_file(folder / f"split{suffix}", "train", {"a.png": label, "b.png": "bee"}),
    ]


@pytest.mark.parametrize("suffix", [".pkl", ".csv", ".json"])
def test_round_trip(tmp_path, suffix):
    for _ in range(2):
        write_files(_files(tmp_path, suffix), force=False)
    assert read_class_names(tmp_path / f"names{suffix}") == ["cat", "bee"]
    assert read_split(tmp_path / f"split{suffix}").classes == {"a.png": "cat", "b.png": "bee"}


def test_a_conflict_writes_nothing(tmp_path):
    write_files(_files(tmp_path)[1:], force=False)
    with pytest.raises(SemcoError, match=r"split\.pkl exists and differs: pass --force"):
        write_files(_files(tmp_path, label="bee"), force=False)
    assert [path.name for path in tmp_path.iterdir()] == ["split.pkl"]
    assert read_split(tmp_path / "split.pkl").classes["a.png"] == "cat"
    write_files(_files(tmp_path, label="bee"), force=True)
    assert read_split(tmp_path / "split.pkl").classes["a.png"] == "bee"


def test_description():
    split = Split(part="train", classes={"a": "x", "b": "x", "c": "y"}, path=Path("s.pkl"))
    text = describe_split(split)
    assert text.startswith("3 images of train/, 1 to 2 in each of 2 classes, fingerprint ")
    assert text.endswith(split.fingerprint()[:16])
