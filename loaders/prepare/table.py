"""A table of files and classes (CSV, TSV, feather, parquet) -> dataset folder."""

import argparse
from pathlib import Path

import pandas as pd
import pyarrow

from loaders.prepare.contents import Contents, SourceImage
from loaders.prepare.division import add_division_arguments, divide, share
from loaders.prepare.lists import inside
from utils.errors import SemcoError
from utils.flags.arguments import path_argument

HELP = "a table (CSV, TSV, feather or parquet) that names image files and their classes"
NAME = None
SOURCE = "folder that the file names are relative to"
LINKS = True
_READERS = {
    # Everything is text, and only an empty cell has no class: "None" and "NA" may be names.
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""]),
    ".tsv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], sep="\t"),
    ".feather": pd.read_feather,
    ".parquet": pd.read_parquet,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    parser.add_argument(
        "--table",
        type=path_argument,
        required=True,
        metavar="FILE",
        help="table of the training images; one whose class is empty is unlabelled",
    )
    parser.add_argument(
        "--test-table", type=path_argument, metavar="FILE", help="table of the test images (default: none)"
    )
    parser.add_argument("--file-column", default="file", metavar="NAME", help="column of file names (default: file)")
    parser.add_argument("--class-column", default="class", metavar="NAME", help="column of classes (default: class)")
    add_division_arguments(parser)


def read(values: argparse.Namespace) -> Contents:
    """List the images of the tables; `deep/a.png` is called `deep__a.png` in the dataset.

    Raises:
        SemcoError: a table cannot be read, lacks a column, or has rows that make no sense.
    """
    if values.test_table and values.test_fraction:
        raise SemcoError("--test-table and --test-fraction both make the test part: give one of them")
    train = _read_table(values.table, values)
    if values.test_table:
        return Contents({"train": train, "test": _read_table(values.test_table, values)})
    if values.test_fraction:
        train, test = divide(train, share(values.test_fraction), seed=values.random_seed)
        return Contents({"train": train, "test": test})
    return Contents({"train": train})


def _read_table(path: Path, values: argparse.Namespace) -> list[SourceImage]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SemcoError(f"table {path} has no suffix that is known: expected {', '.join(_READERS)}")
    try:
        table = reader(path)
    except FileNotFoundError as error:
        raise SemcoError(f"table {path} does not exist: check the path") from error
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SemcoError(f"table {path} cannot be read ({str(error).strip()}): make it anew") from error
    for flag, column in (("--file-column", values.file_column), ("--class-column", values.class_column)):
        if column not in table.columns:
            there = ", ".join(map(str, table.columns))
            raise SemcoError(f"table {path} lacks the column {column!r} (it has {there}): name another one with {flag}")
    rows = zip(table[values.file_column].tolist(), table[values.class_column].tolist(), strict=True)
    return [_image(path, number, file, name, values.source) for number, (file, name) in enumerate(rows)]


def _image(path: Path, number: int, file: object, name: object, source: Path) -> SourceImage:
    if not isinstance(file, str) or not file:
        raise SemcoError(f"table {path}: row {number} has no file name")
    if isinstance(name, (str, int)) and str(name).strip():
        class_name = str(name)
    elif pd.api.types.is_scalar(name) and pd.isna(name):
        class_name = None
    else:
        raise SemcoError(f"table {path}: row {number} has the class {name!r}, expected a name")
    return SourceImage(file.replace("/", "__"), class_name, inside(source, file, named_by=path))
