"""Tar shards of WebDataset -> dataset folder."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from loaders.pixels.formats import image_suffixes
from loaders.prepare.shards.find import find_shards
from loaders.prepare.shards.packed import ClassNames, Sample, add_packed_arguments, gather, given_classes
from loaders.prepare.shards.tar_labels import find_label
from loaders.prepare.shards.tar_shards import TarSample, read_samples
from loaders.prepare.sources.contents import Contents, warn
from utils.errors import SemcoError, first_ten

HELP = "tar shards of WebDataset: KEY.jpg, .png, ... with KEY.cls or KEY.json beside it"
NAME = None
SOURCE = "folder with the shards, train-000000.tar, train/0.tar or the like"
LINKS = False
DOWNLOADS = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    parser.add_argument(
        "--image-key",
        metavar="NAME",
        help="ending of the images' names, such as png (default: the one that is an image's)",
    )
    parser.add_argument(
        "--label-key",
        metavar="NAME",
        help="ending of the labels' names, or field of .json (default: cls, else label, class or class_name of .json)",
    )
    add_packed_arguments(parser)


def read(values: argparse.Namespace) -> Contents:
    """List the images of all shards: the tar files are read once here, and the images once more when they are written.

    Raises:
        SemcoError: shards are missing, damaged or hostile, or labels have no names.
    """
    return gather(find_shards(values.source, (".tar",)), _Samples(values).of, values)


class _Samples:
    """Reads the samples of tar shards."""

    def __init__(self, values: argparse.Namespace) -> None:
        self._classes = ClassNames(given_classes(values), of_numbers=True)
        self._image_key = values.image_key and values.image_key.lstrip(".").lower()
        self._label_key = values.label_key and values.label_key.lstrip(".")

    def of(self, path: Path, split: str) -> Iterator[Sample]:
        """Yield the samples of one shard that have an image, and warn of the others.

        Raises:
            SemcoError: the shard is damaged or hostile, or a sample makes no sense.
        """
        without = []
        for sample in read_samples(path, label_key=self._label_key):
            place = f"{path}, sample {sample.key!r},"
            if (ending := self._image_ending(sample, place)) is None:
                without.append(sample.key)
                continue
            label = None if split == "unlabelled" else find_label(sample.texts, place, self._label_key)
            yield Sample(place, sample.members[ending], sample.heads[ending], self._classes.name(label, place))
        if without:
            warn(f"{path} holds {len(without)} samples without an image, which are left out: {first_ten(without)}")

    def _image_ending(self, sample: TarSample, place: str) -> str | None:
        if self._image_key:
            return self._image_key if self._image_key in sample.members else None
        found = [ending for ending in sample.members if f".{ending}" in image_suffixes() or ending in ("heic", "heif")]
        if len(found) > 1:
            raise SemcoError(f"{place} has several images ({first_ten(sorted(found))}): name one with --image-key")
        return found[0] if found else None
