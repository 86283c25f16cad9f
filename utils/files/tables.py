"""Small files of plain data, told apart by suffix: pickle, CSV, JSON, and lists in text files."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from utils.errors import SemcoError
from utils.files.names import find_fault
from utils.files.pickles import load_pickle
from utils.files.regular import check_regular, open_regular

# A split of ten million images.
_MOST_BYTES = 2**30
SUFFIXES = {"pickle": ".pkl", "csv": ".csv", "json": ".json"}


def read_class_names(path: Path) -> list[str]:
    """Read a list of class names.

    Raises:
        SemcoError: missing, damaged, empty, or not a list of different names.
    """
    content = read_data(path)
    if isinstance(content, dict):
        content = list(content) if path.suffix.lower() == SUFFIXES["csv"] else None
    if not isinstance(content, (list, tuple)) or not all(isinstance(name, str) for name in content):
        raise SemcoError(f"class list {path}: expected a list of class names")
    for name in content:
        if fault := find_fault(name):
            raise SemcoError(f"class list {path}: the name {name[:100]!r} {fault}")
    if twice := [name for name, count in Counter(content).items() if count > 1]:
        raise SemcoError(
            f"class list {path} holds {twice[0]!r} {content.count(twice[0])} times: names must be different"
        )
    if len(content) < 2:
        raise SemcoError(f"class list {path}: expected two or more names, found {len(content)}")
    return [str(name) for name in content]


def read_data(path: Path) -> object:
    """Read JSON; CSV of one column as a list, of two as a dict; text as the list of its lines; all else as a pickle.

    Raises:
        SemcoError: missing, or damaged.
    """
    suffix = path.suffix.lower()
    if suffix == SUFFIXES["json"]:
        try:
            return json.loads(read_text(path), object_pairs_hook=lambda pairs: _as_dict(pairs, path))
        except (ValueError, RecursionError) as error:
            raise SemcoError(f"{path} is no JSON ({error}): make it again") from error
    if suffix == SUFFIXES["csv"]:
        try:
            rows = [row for row in csv.reader(io.StringIO(read_text(path), newline="")) if row]
        except csv.Error as error:
            raise SemcoError(f"{path} is no CSV ({error}): make it again") from error
        if any(len(row) != len(rows[0]) or len(row) > 2 for row in rows):
            raise SemcoError(f"{path}: expected one or two columns in every line")
        return [row[0] for row in rows] if rows and len(rows[0]) == 1 else _as_dict(rows, path)
    if suffix == ".txt":
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    return load_pickle(path)


def read_text(path: Path) -> str:
    """Read UTF-8, with or without a byte-order mark.

    Raises:
        SemcoError: missing, no regular file, larger than a gibibyte, or not UTF-8.
    """
    check_regular(path, most_bytes=_MOST_BYTES)
    try:
        with open_regular(path, "r", follow_links=True, encoding="utf-8-sig") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise SemcoError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise SemcoError(f"{path} is not text in UTF-8: make or fetch it again") from error


def _as_dict(pairs: Sequence[Sequence], path: Path) -> dict:
    """Make a dict of pairs; refuse a key that is there twice, for which the last line would silently win."""
    found = dict(pairs)
    if len(found) != len(pairs):
        key = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise SemcoError(f"{path} names {key[:100]!r} twice: remove one of the lines")
    return found
