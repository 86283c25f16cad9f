"""Rows of predictions -> CSV, JSON, JSON lines or Parquet, written as they come, in bounded memory."""

import contextlib
import csv
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from utils.answers.rows import Row, Value
from utils.errors import SemcoError
from utils.files.atomic import atomic_path

_DIGITS = 6
_SPOOLED_IN_MEMORY = 1 << 26


class RowFile(Protocol):
    """Takes rows, all with the same columns."""

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows."""

    def close(self) -> None:
        """Write what ends the file."""

    def abandon(self) -> None:
        """Let go of a file that will be thrown away."""


@contextlib.contextmanager
def open_rows(output: Path | None, kind: str, columns: Mapping[str, type]) -> Iterator[RowFile]:
    """Open a file of rows; it appears complete, or not at all after an exception.

    Args:
        output: None for stdout, which then gets everything at the end.
        kind: csv, json, jsonl or parquet; `columns`: name and type of each, in order.

    Raises:
        SemcoError: the disk is full or the folder cannot be written.
    """
    if output is not None:
        with atomic_path(output) as temporary, temporary.open("wb") as file:
            yield from _filled(file, kind, columns)
        return
    with tempfile.SpooledTemporaryFile(_SPOOLED_IN_MEMORY) as file:
        try:
            yield from _filled(file, kind, columns)  # type: ignore[arg-type]
            file.seek(0)
        except OSError as error:
            raise SemcoError(f"no room for the rows in {tempfile.gettempdir()} ({error}): name an --output") from error
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _filled(file: BinaryIO, kind: str, columns: Mapping[str, type]) -> Iterator[RowFile]:
    rows = _KINDS[kind](file, columns)
    try:
        yield rows
    except BaseException:
        rows.abandon()
        raise
    rows.close()


class _Csv:
    def __init__(self, file: BinaryIO, columns: Mapping[str, type]) -> None:
        self._file = file
        self._text([list(columns)])

    def write(self, rows: Sequence[Row]) -> None:
        self._text([[_cell(value) for value in row.values()] for row in rows])

    def close(self) -> None:
        pass

    def abandon(self) -> None:
        pass

    def _text(self, lines: Sequence[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(lines)
        self._file.write(text.getvalue().encode("utf-8"))


class _JsonLines:
    """A JSON object on each line."""

    _start, _between, _end = b"", b"\n", b"\n"

    def __init__(self, file: BinaryIO, columns: Mapping[str, type]) -> None:
        self._file = file
        self._empty = True
        file.write(self._start)

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            rounded = {
                name: round(value, _DIGITS) if isinstance(value, float) else value for name, value in row.items()
            }
            text = json.dumps(rounded, ensure_ascii=False, allow_nan=False)
            self._file.write((b"" if self._empty else self._between) + text.encode("utf-8"))
            self._empty = False

    def close(self) -> None:
        self._file.write(b"" if self._empty and not self._start else self._end)

    def abandon(self) -> None:
        pass


class _Json(_JsonLines):
    """One array of objects."""

    _start, _between, _end = b"[\n", b",\n", b"\n]\n"


class _Parquet:
    def __init__(self, file: BinaryIO, columns: Mapping[str, type]) -> None:
        import pyarrow  # half a second of imports that the other formats do without
        import pyarrow.parquet

        kinds = {str: pyarrow.string(), float: pyarrow.float32(), int: pyarrow.int64(), bool: pyarrow.bool_()}
        self._schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
        self._table = pyarrow.Table
        self._writer = pyarrow.parquet.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.write_table(self._table.from_pylist(list(rows), schema=self._schema))

    def close(self) -> None:
        self._writer.close()

    def abandon(self) -> None:
        # Left open, it would write its footer into a closed file whenever it is collected.
        try:
            with contextlib.suppress(OSError):
                self._writer.close()
        finally:
            self._writer.is_open = False


_KINDS: dict[str, Callable[[BinaryIO, Mapping[str, type]], RowFile]] = {
    "csv": _Csv, "json": _Json, "jsonl": _JsonLines, "parquet": _Parquet,
}  # fmt: skip


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.{_DIGITS}f}"
    text = str(value)
    # What a spreadsheet would take for a formula, as in label_groups.csv. Paths never begin so, see `printable_path`.
    return f"'{text}" if len(text) > 1 and text[0] in "=+-@" else text
