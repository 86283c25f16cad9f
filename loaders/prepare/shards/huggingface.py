"""Datasets as the `datasets` library writes them and the hub serves them -> dataset folder."""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from loaders.prepare.shards.find import find_shards
from loaders.prepare.shards.hub_columns import Columns, find_columns
from loaders.prepare.shards.hub_shards import RowImage, RowReader, read_rows, read_schema
from loaders.prepare.shards.image_bytes import HEAD
from loaders.prepare.shards.packed import ClassNames, Sample, add_packed_arguments, gather, given_classes
from loaders.prepare.sources.contents import Contents
from utils.errors import SemcoError

HELP = "a dataset of the Hugging Face hub: parquet shards, or the arrow files of datasets' save_to_disk"
NAME = None
SOURCE = "folder with the shards, train-*.parquet, data/train-*.parquet, train/*.arrow or the like"
LINKS = False
DOWNLOADS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    parser.add_argument("--image-column", metavar="NAME", help="column of the images (default: found by its type)")
    parser.add_argument("--label-column", metavar="NAME", help="column of the labels (default: found by its type)")
    add_packed_arguments(parser)


def read(values: argparse.Namespace) -> Contents:
    """List the images of all shards: each is read once here, and once more when it is written.

    Raises:
        SemcoError: shards are missing or damaged, columns cannot be told, labels have no names.
    """
    shards = find_shards(values.source, (".parquet", ".arrow"), left_out=("cache-", "tmp"))
    return gather(shards, _Samples(shards["train"][0], values).of, values)


class _Samples:
    """Reads the samples of shards that all have the columns of the first."""

    def __init__(self, first: Path, values: argparse.Namespace) -> None:
        self._values = values
        self._columns = find_columns(read_schema(first), first, image=values.image_column, label=values.label_column)
        listed = given_classes(values)
        self._classes = ClassNames(self._columns.class_names if listed is None else listed, of_numbers=False)
        self._first = first
        self._reader = RowReader()

    def of(self, path: Path, split: str) -> Iterator[Sample]:
        """Yield the samples of one shard; those of the unlabelled split have no class, whatever their labels say.

        Raises:
            SemcoError: the shard is damaged, has other columns than the first, or a row has no image.
        """
        columns = self._check(path, with_labels=split != "unlabelled")
        for row, (image, label) in enumerate(read_rows(path, columns)):
            place = f"{path}, row {row},"
            if image is None:
                raise SemcoError(
                    f"{place} has no bytes of an image: write the dataset with its files embedded (to_parquet, save_to_disk)"
                )
            content = RowImage(image.size, row, path, columns, self._reader)
            yield Sample(place, content, bytes(memoryview(image)[:HEAD]), self._classes.name(label, place))

    def _check(self, path: Path, *, with_labels: bool) -> Columns:
        label = self._columns.label if with_labels else None
        columns = find_columns(read_schema(path), path, image=self._columns.image, label=label)
        if not with_labels:
            return replace(columns, label=None, class_names=None)
        if columns != self._columns:
            raise SemcoError(
                f"{path} has other columns or class names than {self._first}: the shards are of different datasets"
            )
        return columns
