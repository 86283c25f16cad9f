"""Label tables: a feather's metadata and rows, checked before anything believes them."""

import math
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow
from pyarrow import ipc, types

from loaders.dataset.class_names import clean_class_name
from loaders.dataset.feather_size import announced_size
from utils.errors import SemcoError
from utils.files.names import find_fault, path_fault
from utils.files.regular import open_regular

_COLUMNS = ("id", "class")
# File names differ, so rows take room; names and classes that are repeated or numbered pack well, but not without bound.
_MOST_ROWS_PER_BYTE = 8
_SMALL, _MOST_UNPACKING = 64 << 20, 64
_SHOWN_COLUMNS, _SHOWN_LETTERS = 10, 50


@dataclass(frozen=True)
class LabelTable:
    """A label table in the order of its rows: file names, and class names or None."""

    ids: list[str]
    classes: list[str | None]

    @property
    def class_names(self) -> list[str]:
        """The classes that occur, sorted."""
        return sorted({name for name in self.classes if name is not None})


def read_label_table(path: Path) -> LabelTable:
    """Read the columns `id` and `class` of a feather; other columns are not unpacked.

    Raises:
        SemcoError: missing, damaged, without those columns, or with rows that make no sense.
    """
    try:
        with open_regular(path, follow_links=True) as file:
            _check_size(path, file)
            file.seek(0)
            # Not pyarrow.feather: its reader of files from before 2020 follows whatever they say, out of the file's memory.
            with ipc.open_file(file) as reader:
                fields = _check_columns(path, reader.schema)
            file.seek(0)
            with ipc.open_file(file, options=ipc.IpcReadOptions(included_fields=fields)) as reader:
                table = reader.read_all()
        # What reads the columns would follow wild offsets too.
        table.validate(full=True)
        ids, classes = (table[name].to_pylist() for name in _COLUMNS)
    except FileNotFoundError as error:
        raise SemcoError(
            f"label table {path} does not exist: a dataset needs it, see python -m loaders.prepare --help"
        ) from error
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SemcoError(
            f"label table {path} cannot be read as feather ({type(error).__name__}): make it again"
        ) from error
    ids = [None if value is None else str(value) for value in ids]
    # A column without any class comes out of pandas as one of numbers that are NaN.
    classes = [None if isinstance(value, float) and math.isnan(value) else value for value in classes]
    cleaned = {value: clean_class_name(value) for value in set(classes) if isinstance(value, str)}
    classes = [cleaned.get(value, value) for value in classes]
    _check_rows(f"label table {path}", ids, classes)
    return LabelTable(ids=ids, classes=classes)  # type: ignore[arg-type]


def _check_size(path: Path, file: BinaryIO) -> None:
    """Refuse a table that announces more than its file can mean."""
    size, announced = os.fstat(file.fileno()).st_size, announced_size(file)
    if announced.rows > _MOST_ROWS_PER_BYTE * size:
        raise SemcoError(f"label table {path} announces {announced.rows:,} rows in {size:,} bytes: make it again")
    if announced.unpacked > max(_SMALL, _MOST_UNPACKING * size):
        raise SemcoError(
            f"label table {path} of {size:,} bytes announces {announced.unpacked:,} unpacked ones: make it again"
        )


def _check_columns(path: Path, schema: pyarrow.Schema) -> list[int]:
    """Return the places of the two columns, which must hold what they are for."""
    for name in _COLUMNS:
        if schema.names.count(name) != 1:
            there = ", ".join(_cut(column) for column in schema.names[:_SHOWN_COLUMNS])
            more = f" and {len(schema.names) - _SHOWN_COLUMNS} more" if len(schema.names) > _SHOWN_COLUMNS else ""
            raise SemcoError(f"label table {path} lacks the column {name!r} (it has {there or 'none'}{more})")
    for name, is_fit, expected in (
        ("id", lambda kind: _is_text(kind) or types.is_integer(kind) or types.is_null(kind), "file names"),
        ("class", lambda kind: _is_text(kind) or types.is_null(kind) or types.is_floating(kind), "names"),
    ):
        kind = schema.field(name).type
        if not is_fit(kind):
            raise SemcoError(
                f"label table {path}: the column {name!r} is of type {_cut(str(kind))}, expected {expected}"
            )
    return [schema.get_field_index(name) for name in _COLUMNS]


def _is_text(kind: pyarrow.DataType) -> bool:
    if types.is_dictionary(kind):
        kind = kind.value_type
    views = getattr(types, "is_string_view", None)  # since pyarrow 16
    return types.is_string(kind) or types.is_large_string(kind) or bool(views and views(kind))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_LETTERS else text[:_SHOWN_LETTERS] + "..."


def _check_rows(table: str, ids: Sequence[str | None], classes: Sequence[object]) -> None:
    """Make sure that rows name images inside the dataset folder, each once, and classes that can be shown.

    Args:
        table: what the rows belong to, for the message.

    Raises:
        SemcoError: the first row that makes no sense.
    """
    if not ids:
        raise SemcoError(f"{table} is empty: it must name the images")
    for row, name in enumerate(ids):
        if not name:
            raise SemcoError(f"{table}: row {row} has no file name")
        if "\\" in name:
            raise SemcoError(f"{table}: row {row} names {name[:100]!r}: write / between folders, not a backslash")
        if fault := path_fault(name):
            raise SemcoError(f"{table}: row {row} names {name[:100]!r}, which {fault}")
    for row, name in enumerate(classes):
        if name is None:
            continue
        if not isinstance(name, str):
            raise SemcoError(f"{table}: row {row} has a class of type {type(name).__name__}, expected a name")
        if fault := find_fault(name):
            raise SemcoError(f"{table}: row {row} has the class {name[:100]!r}, which {fault}")
    (name, count), *_ = Counter(ids).most_common(1)
    if count > 1:
        rows = ", ".join(str(row) for row, other in enumerate(ids) if other == name)
        where = f" (rows {rows})" if count <= 10 else ""
        raise SemcoError(f"{table} lists {name[:100]!r} {count} times{where}: each image must be listed once")
