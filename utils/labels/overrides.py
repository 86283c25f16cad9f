"""--label-terms: the terms that the user gives to classes."""

import csv
import unicodedata
from collections.abc import Mapping, Sequence
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


def by_class(overrides: Mapping[str, str], class_names: Sequence[str]) -> dict[str, str]:
    """Return the terms under the classes' own spelling, which may differ in Unicode composition (NFC, NFD).

    Raises:
        SemcoError: a name is not a class.
    """
    known = {unicodedata.normalize("NFC", name): name for name in reversed(class_names)}
    found = {}
    for label, term in overrides.items():
        name = label if label in class_names else known.get(unicodedata.normalize("NFC", label))
        if name is None:
            raise SemcoError(
                f"--label-terms names the class {label!r}, which the dataset does not have: check its spelling"
            )
        found[name] = term
    return found
