"""The table of class, term, rule and group: for the screen, and as label_groups.csv."""

import csv
import io
from pathlib import Path

import numpy as np

from utils.errors import one_line
from utils.files.atomic import write_text
from utils.labels.semantics import LabelSemantics

_COLUMNS = ("class", "term", "rule", "group")


def format_label_table(semantics: LabelSemantics) -> str:
    """Lay out class, term, rule and group, ordered by group, with a line above that says what the groups are."""
    grouping = semantics.grouping
    rows = [_COLUMNS]
    for place in np.argsort(grouping.ids, kind="stable"):
        match = semantics.matches[place]
        rows.append((match.label, one_line(match.term) or "-", match.rule, str(grouping.ids[place])))
    head = f"{len(semantics.matches)} classes in {grouping.count} groups (eps {grouping.eps:g}, D {semantics.vectors.shape[1]})"
    return "\n".join([head, *align(rows)])


def align(rows: list[tuple[str, ...]]) -> list[str]:
    """Lay out rows of cells in columns, indented by two spaces."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def write_label_groups(path: Path, semantics: LabelSemantics) -> None:
    """Write class, term, rule and group of every class as CSV, in the order of the classes.

    What a spreadsheet would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for match, group in zip(semantics.matches, semantics.grouping.ids, strict=True):
        writer.writerow((_no_formula(match.label), _no_formula(match.term), match.rule, group))
    write_text(path, text.getvalue())


def _no_formula(cell: str) -> str:
    return f"'{cell}" if len(cell) > 1 and cell[0] in "=+-@" else cell
