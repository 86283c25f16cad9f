"""--label-terms: the terms that the user gives to classes."""

import csv
from pathlib import Path

from utils.errors import SemcoError
from utils.files.tables import read_text


def read_label_terms(path: Path) -> dict[str, str]:
    """Read a CSV `class,term` (with or without that header line).

    Raises:
        SemcoError: missing, not UTF-8, or a line without exactly two fields.
    """
    try:
        rows = [row for row in csv.reader(read_text(path).splitlines()) if row]
    except csv.Error as error:
        raise SemcoError(f"--label-terms {path} is no CSV ({error})") from error
    terms: dict[str, str] = {}
    for row in rows:
        cells = [cell.strip() for cell in row]
        if cells == ["class", "term"]:
            continue
        if len(cells) != 2 or not all(cells):
            raise SemcoError(f"--label-terms {path}: the line {','.join(row)!r} is not `class,term`")
        if terms.setdefault(cells[0], cells[1]) != cells[1]:
            raise SemcoError(f"--label-terms {path} gives {cells[0]!r} two terms, {terms[cells[0]]!r} and {cells[1]!r}")
    return terms
