"""Tables of photographs: a column of file names and perhaps one of classes, in CSV, Parquet or Feather."""

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet

from utils.errors import SemcoError
from utils.files.names import find_fault
from utils.files.regular import open_regular
from utils.files.tables import read_text

TABLE_SUFFIXES = frozenset((".csv", ".parquet", ".feather"))
_FILE_COLUMNS = ("file", "path", "filename", "filepath")
# Not `label`: that is what predict_semco.py calls its own answer.
_CLASS_COLUMNS = ("class", "true_label")
_LONGEST_NAME = 4096


def read_photo_table(path: Path) -> list[tuple[Path, str, str | None]]:
    """Read a table; returns the path of each image, its name in the table, and its class where the table gives one.

    Names are relative to the table's folder, or to the current folder where nothing is found beside the table.

    Raises:
        SemcoError: missing, damaged, without a column of file names, or with cells that are no names.
    """
    columns = _read_csv(path) if path.suffix.lower() == ".csv" else _read_arrow(path)
    file_column = next((name for name in _FILE_COLUMNS if name in columns), None)
    if file_column is None:
        there = ", ".join(list(columns)[:10]) or "none"
        raise SemcoError(f"table {path} has no column {' or '.join(map(repr, _FILE_COLUMNS))} (it has {there})")
    names = columns[file_column]
    class_column = next((name for name in _CLASS_COLUMNS if name in columns), None)
    classes = columns[class_column] if class_column else [None] * len(names)
    return [_row(path, number, name, label) for number, (name, label) in enumerate(zip(names, classes, strict=True))]


def _row(table: Path, number: int, name: object, label: object) -> tuple[Path, str, str | None]:
    if not isinstance(name, str) or find_fault(name, _LONGEST_NAME):
        raise SemcoError(f"table {table}: row {number} has no usable file name ({str(name)[:100]!r})")
    beside = table.parent / name
    found = beside if os.path.exists(beside) else Path(name)  # noqa: PTH110
    # Pandas writes a missing class as NaN; a class may also be a number.
    known = None if label is None or label != label or label == "" else str(label)
    return found, name, known


def _read_csv(path: Path) -> dict[str, Sequence[object]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(read_text(path), newline="")) if row]
    except csv.Error as error:
        raise SemcoError(f"table {path} is no CSV ({error}): make it again") from error
    head = rows[0] if rows else []
    for number, row in enumerate(rows[1:]):
        if len(row) != len(head):
            raise SemcoError(f"table {path}: row {number} has {len(row)} cells, the header has {len(head)}")
    return {name: [row[place] for row in rows[1:]] for place, name in enumerate(head)}


def _read_arrow(path: Path) -> dict[str, Sequence[object]]:
    try:
        if path.suffix.lower() == ".parquet":
            with open_regular(path, follow_links=True) as handle, pyarrow.parquet.ParquetFile(handle) as file:
                wanted = [name for name in file.schema_arrow.names if name in (*_FILE_COLUMNS, *_CLASS_COLUMNS)]
                table, names = file.read(columns=wanted), file.schema_arrow.names
        else:
            # Not pyarrow.feather: its reader of files from before 2020 trusts whatever they say.
            with open_regular(path, follow_links=True) as handle, pyarrow.ipc.open_file(handle) as reader:
                table = reader.read_all()
            names = table.column_names
        table.validate(full=True)
    except FileNotFoundError as error:
        raise SemcoError(f"table {path} does not exist: check the path") from error
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        kind = path.suffix.lower()[1:]
        raise SemcoError(f"table {path} cannot be read as {kind} ({type(error).__name__}): make it again") from error
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SemcoError(f"table {path} has the column {twice[:100]!r} twice: rename one of them")
    return {name: table[name].to_pylist() if name in table.column_names else () for name in names}
