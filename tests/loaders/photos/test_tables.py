import os
from pathlib import Path

import pandas as pd
import pytest

from loaders.photos.tables import read_photo_table
from utils.errors import SemcoError


def _write(path: Path, table: pd.DataFrame) -> Path:
    {".csv": lambda: table.to_csv(path, index=False), ".parquet": lambda: table.to_parquet(path)}.get(
        path.suffix, lambda: table.to_feather(path)
    )()
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
@pytest.mark.parametrize("columns", [("file", "class"), ("path", "true_label")])
def test_files_beside_the_table_and_their_classes(tmp_path, suffix, columns):
    (tmp_path / "a.png").touch()
    table = pd.DataFrame({"other": [1, 2], columns[0]: ["a.png", "elsewhere/b.png"], columns[1]: ["cat", None]})
    rows = read_photo_table(_write(tmp_path / f"t{suffix}", table))
    assert rows == [(tmp_path / "a.png", "a.png", "cat"), (Path("elsewhere/b.png"), "elsewhere/b.png", None)]


def test_predicted_labels_are_no_truth(tmp_path):
    path = _write(tmp_path / "t.csv", pd.DataFrame({"file": ["a.png"], "label": ["cat"]}))
    assert read_photo_table(path)[0][2] is None


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.csv", b"name\na.png\n", "has no column"),
        ("t.csv", b"", "has no column"),
        ("t.csv", b"file,class\na.png\n", "1 cells"),
        ("t.csv", b"file\n\xff\xfe\n", "UTF-8"),
        ("t.csv", b'file\n"a\nb.png"\n', "no usable file name"),
        ("t.parquet", b"PAR1 no", "as parquet"),
        ("t.feather", b"ARROW1 no", "as feather"),
        ("t.feather", b"FEA1" + b"\0" * 64, "as feather"),
    ],
)
def test_damaged_tables_are_one_line(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SemcoError, match=words):
        read_photo_table(tmp_path / name)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_missing_tables_are_one_line(tmp_path, suffix):
    with pytest.raises(SemcoError, match=r"cannot read|does not exist"):
        read_photo_table(tmp_path / f"none{suffix}")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_a_pipe_for_a_table_is_refused_at_once(tmp_path, suffix):
    os.mkfifo(tmp_path / f"table{suffix}")
    with pytest.raises(SemcoError, match="is a pipe: expected a regular file"):
        read_photo_table(tmp_path / f"table{suffix}")


def test_numbers_for_names_are_refused(tmp_path):
    with pytest.raises(SemcoError, match="no usable file name"):
        read_photo_table(_write(tmp_path / "t.parquet", pd.DataFrame({"file": [1]})))
