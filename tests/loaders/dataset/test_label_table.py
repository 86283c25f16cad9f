"""Label tables: rows in their order, and every row that makes no sense named."""

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import feather

from loaders.dataset.label_table import read_label_table
from utils.errors import SemcoError


def _read(tmp_path, rows, columns=("id", "class")):
    path = tmp_path / "labels_train.feather"
    pd.DataFrame(rows, columns=list(columns)).to_feather(path)
    return read_label_table(path)


def test_rows_keep_their_order(tmp_path):
    table = _read(tmp_path, [("b.png", "cat"), ("c.png", None), ("a.png", "ant"), ("d.png", "cat")])
    assert table.ids == ["b.png", "c.png", "a.png", "d.png"]
    assert table.classes == ["cat", None, "ant", "cat"]
    assert table.class_names == ["ant", "cat"]


def test_a_table_without_any_class(tmp_path):
    assert _read(tmp_path, [("a.png", None), ("b.png", None)]).class_names == []


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([("a.png", "cat")], ("file", "class"), "lacks the column 'id' (it has file, class)"),
        ([("a.png", "cat")], ("id", "label"), "lacks the column 'class'"),
        ([], ("id", "class"), "is empty"),
        (
            [("a.png", "cat"), ("a.png", "bee")],
            ("id", "class"),
            "lists 'a.png' 2 times (rows 0, 1): each image must be listed once",
        ),
        ([("", "cat")], ("id", "class"), "row 0 has no file name"),
        ([(None, "cat")], ("id", "class"), "row 0 has no file name"),
        ([("../x.png", "cat")], ("id", "class"), "not inside the dataset folder"),
        ([("/etc/passwd", "cat")], ("id", "class"), "not inside the dataset folder"),
        ([("a\\b.png", "cat")], ("id", "class"), "names 'a\\\\b.png': write / between folders, not a backslash"),
        ([("a.png", 3.5)], ("id", "class"), "has a class of type float, expected a name"),
        ([("a.png", " ")], ("id", "class"), "has the class '', which is empty"),
    ],
)
def test_tables_that_make_no_sense(tmp_path, rows, columns, words):
    with pytest.raises(SemcoError) as caught:
        _read(tmp_path, rows, columns)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_class_names_that_look_the_same_are_one_class(tmp_path):
    """Outer blanks, and accents as letters of their own."""
    names = ["cat", "cat ", "\tcat", "caf\u00e9", "cafe\u0301 "]
    table = _read(tmp_path, [(f"{row}.png", name) for row, name in enumerate(names)])
    assert table.classes == ["cat", "cat", "cat", "caf\u00e9", "caf\u00e9"]
    assert table.class_names == ["caf\u00e9", "cat"]


@pytest.mark.parametrize(
    "column", [pa.array(["ant", "bee"]).dictionary_encode(), pa.array(["ant", "bee"], pa.large_string())]
)
def test_types_that_other_programs_write(tmp_path, column):
    feather.write_feather(pa.table({"id": pa.array([7, 8]), "class": column}), tmp_path / "x.feather")
    table = read_label_table(tmp_path / "x.feather")
    assert (table.ids, table.classes) == (["7", "8"], ["ant", "bee"])


def test_other_columns_are_not_read(tmp_path):
    """Not even where reading them fails: a time that no calendar has, in a zone that is nowhere."""
    odd = pa.array([2**62, -(2**62)], pa.timestamp("s", "Nowhere/Land"))
    columns = {"odd": odd, "id": ["a", "b"], "class": ["ant", "bee"]}
    feather.write_feather(pa.table(columns), tmp_path / "x.feather")
    assert read_label_table(tmp_path / "x.feather").ids == ["a", "b"]


def test_missing_and_damaged_tables(tmp_path):
    path = tmp_path / "labels_test.feather"
    with pytest.raises(SemcoError, match=r"labels_test\.feather does not exist"):
        read_label_table(path)
    path.write_bytes(b"not feather")
    with pytest.raises(SemcoError, match="cannot be read as feather"):
        read_label_table(path)
