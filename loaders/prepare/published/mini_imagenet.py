"""mini-ImageNet from the CSVs of its few-shot split, pooled and divided again within each class."""

import argparse
import csv
from collections import Counter
from pathlib import Path

from loaders.prepare.published.mini_imagenet_names import NAMES
from loaders.prepare.sources.contents import Contents, SourceImage
from loaders.prepare.sources.division import divide
from loaders.prepare.sources.lists import inside, read_lines
from utils.errors import SemcoError
from utils.flags.arguments import positive_number, seed_number

HELP = "mini-ImageNet: 100 classes, 500 training and 100 test images of each, drawn from the pooled few-shot split"
NAME = "mini_imagenet"
SOURCE = "folder with images/, train.csv, val.csv and test.csv in it"
LINKS = True
DOWNLOADS = False
_LISTS = ("train.csv", "val.csv", "test.csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    parser.add_argument(
        "--train-per-class",
        type=positive_number,
        default=500,
        metavar="N",
        help="training images of a class (default: 500)",
    )
    parser.add_argument(
        "--test-per-class", type=positive_number, default=100, metavar="N", help="test images of a class (default: 100)"
    )
    parser.add_argument(
        "--random-seed", type=seed_number, default=0, metavar="N", help="seed of the division (default: 0)"
    )


def read(values: argparse.Namespace) -> Contents:
    """List the images of the CSVs; the classes get their WordNet names.

    Raises:
        SemcoError: a list is missing or makes no sense, or a class is missing or has another number of images.
    """
    images = [image for name in _LISTS for image in _read_list(values.source, name)]
    counts = Counter(image.class_name for image in images)
    if missing := sorted(set(NAMES.values()) - counts.keys()):
        raise SemcoError(
            f"{', '.join(_LISTS)} in {values.source} name {len(counts)} classes, expected {len(NAMES)} "
            f"(no {missing[0]!r}): fetch them again"
        )
    expected = values.train_per_class + values.test_per_class
    for class_name, count in sorted(counts.items()):
        if count != expected:
            raise SemcoError(
                f"class {class_name!r} has {count} images in {values.source}, expected {expected}: "
                "fetch the lists again, or set --train-per-class and --test-per-class"
            )
    train, test = divide(images, lambda _: values.test_per_class, seed=values.random_seed)
    return Contents({"train": train, "test": test})


def _read_list(source: Path, list_name: str) -> list[SourceImage]:
    path = source / list_name
    header, *rows = csv.reader(read_lines(path))
    if header != ["filename", "label"]:
        raise SemcoError(f"{path}: expected the columns filename,label, found {','.join(header)}")
    images = []
    for row in rows:
        if len(row) != 2 or row[1] not in NAMES:
            raise SemcoError(f"{path}: the line {','.join(row)!r} is no image of a class of mini-ImageNet")
        images.append(SourceImage(row[0], NAMES[row[1]], inside(source / "images", row[0], named_by=path)))
    return images
