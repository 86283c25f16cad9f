"""A table of files and classes (CSV, TSV, feather, parquet) -> dataset folder."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow

from loaders.dataset.class_names import clean_class_name
from loaders.dataset.image_files import near_name
from loaders.prepare.sources.contents import Contents, SourceImage
from loaders.prepare.sources.division import add_division_arguments, divide, share
from loaders.prepare.sources.lists import inside
from utils.errors import SemcoError, and_more
from utils.files.regular import open_regular
from utils.flags.arguments import path_argument

HELP = "a table (CSV, TSV, feather or parquet) that names image files and their classes"
NAME = None
SOURCE = "folder that the file names are relative to"
LINKS = True
DOWNLOADS = False
_SHOWN = 10
_READERS = {
    # Everything is text, and only an empty cell has no class: "None" and "NA" may be names.
    ".csv": lambda content: pd.read_csv(content, dtype=str, keep_default_na=False, na_values=[""]),
    ".tsv": lambda content: pd.read_csv(content, dtype=str, keep_default_na=False, na_values=[""], sep="\t"),
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
        test = _read_table(values.test_table, values)
        if both := sorted({image.name for image in train} & {image.name for image in test}):
            raise SemcoError(
                f"{values.table} and {values.test_table} both list {both[0]!r}{and_more(both)}: "
                "an image is for training or for testing"
            )
        return Contents({"train": train, "test": test})
    if values.test_fraction:
        train, test = divide(train, share(values.test_fraction), seed=values.random_seed)
        return Contents({"train": train, "test": test})
    return Contents({"train": train})


def _read_table(path: Path, values: argparse.Namespace) -> list[SourceImage]:
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SemcoError(f"table {path} has no suffix that is known: expected {', '.join(_READERS)}")
    try:
        with open_regular(path, follow_links=True) as content:
            table = reader(content)
    except FileNotFoundError as error:
        raise SemcoError(f"table {path} does not exist: check the path") from error
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        reason = str(error).strip()[:300]
        raise SemcoError(f"table {path} cannot be read ({reason}): make it again") from error
    for flag, column in (("--file-column", values.file_column), ("--class-column", values.class_column)):
        if column not in table.columns:
            there = ", ".join(str(name)[:50] for name in table.columns[:_SHOWN])
            there += f" and {len(table.columns) - _SHOWN} more" if len(table.columns) > _SHOWN else ""
            raise SemcoError(f"table {path} lacks the column {column!r} (it has {there}): name another one with {flag}")
    rows = zip(table[values.file_column].tolist(), table[values.class_column].tolist(), strict=True)
    images = [_image(path, number, file, name, values.source) for number, (file, name) in enumerate(rows)]
    _check_files(path, images, values.source)
    return images


def _check_files(path: Path, images: Sequence[SourceImage], source: Path) -> None:
    """Make sure that each image is listed once, and is there: other names for what is there are the likeliest mistake."""
    rows: dict[Path, int] = {}
    for number, image in enumerate(images):
        if image.content in rows:
            raise SemcoError(
                f"table {path} lists {str(image.content.relative_to(source))[:100]!r} twice (rows {rows[image.content]} and "
                f"{number}): each image must be listed once"
            )
        rows[image.content] = number
    missing = [image.content for image in images if not os.path.isfile(image.content)]  # noqa: PTH113
    if missing and (near := _near_file(missing[0], source)):
        raise SemcoError(
            f"image {missing[0]} does not exist{and_more(missing)}, but {near} is there: write names as the files are called"
        )


def _near_file(path: Path, source: Path) -> str | None:
    """Find a file of almost this name below the source."""
    there = (file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file())
    return near_name(path.relative_to(source).as_posix(), list(there))


def _image(path: Path, number: int, file: object, name: object, source: Path) -> SourceImage:
    if not isinstance(file, str) or not file:
        raise SemcoError(f"table {path}: row {number} has no file name")
    if "\\" in file:
        raise SemcoError(f"table {path}: row {number} names {file[:100]!r}: write / between folders, not a backslash")
    if isinstance(name, (str, int)) and str(name).strip():
        class_name = clean_class_name(str(name))
    elif pd.api.types.is_scalar(name) and pd.isna(name):
        class_name = None
    else:
        raise SemcoError(f"table {path}: row {number} has the class {repr(name)[:100]}, expected a name")
    return SourceImage(file.replace("/", "__"), class_name, inside(source, file, named_by=path))
