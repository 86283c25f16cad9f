"""Label tables: a feather's rows, checked before anything believes them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow

from utils.errors import SemcoError
from utils.files.names import find_fault, path_fault


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
    """Read a feather with the columns `id` and `class`.

    Raises:
        SemcoError: missing, damaged, without those columns, or with rows that make no sense.
    """
    try:
        # Not pyarrow.feather: its reader of files from before 2020 follows whatever they say, out of the file's memory.
        with path.open("rb") as file, pyarrow.ipc.open_file(file) as reader:
            table = reader.read_all()
        # What reads the columns would do the same.
        table.validate(full=True)
    except FileNotFoundError as error:
        raise SemcoError(
            f"label table {path} does not exist: a dataset needs it, see python -m loaders.prepare --help"
        ) from error
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SemcoError(
            f"label table {path} cannot be read as feather ({type(error).__name__}): make it anew"
        ) from error
    for column in ("id", "class"):
        if table.column_names.count(column) != 1:
            raise SemcoError(
                f"label table {path} lacks the column {column!r} (it has {', '.join(table.column_names) or 'none'})"
            )
    ids = [str(value) if _is_name(value) else None for value in table["id"].to_pylist()]
    # An empty column comes out of pandas as one of numbers that are none.
    classes = [None if value != value else value for value in table["class"].to_pylist()]
    _check_rows(f"label table {path}", ids, classes)
    return LabelTable(ids=ids, classes=classes)  # type: ignore[arg-type]


def _is_name(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


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
        raise SemcoError(f"{table} names {name!r} {count} times: each image must stand there once")
