"""Caltech-256, from its folders of object categories."""

import argparse
import re

from loaders.prepare.sources.contents import Contents, SourceImage
from loaders.prepare.sources.division import divide, share
from loaders.prepare.sources.source import no_arguments
from utils.errors import SemcoError

HELP = "Caltech-256: 30,607 photographs of 257 categories (clutter is one), a fifth of each for the test part"
NAME = "caltech256"
_FOLDER = "256_ObjectCategories"
SOURCE = f"folder {_FOLDER}, or the one that holds it"
LINKS = True
DOWNLOADS = False
TOTALS = {"categories": 257, "images": 30_607}
_TEST_FRACTION, _SEED = 0.2, 123
# Some folders also hold files and folders that were left behind by mistake: only these are the dataset's.
_CATEGORY = re.compile(r"\d{3}\.(.+?)(?:-101)?")
_IMAGE = re.compile(r"\d{3}_\d{4}\.jpg")

add_arguments = no_arguments


def read(values: argparse.Namespace) -> Contents:
    """List the photographs; a class is called what its folder is, without the number and the mark of Caltech-101.

    Raises:
        SemcoError: a category or an image is missing.
    """
    inner = values.source / _FOLDER
    folder = inner if inner.is_dir() else values.source
    images = []
    categories = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and _CATEGORY.fullmatch(entry.name)]
    for category in categories:
        name = _CATEGORY.fullmatch(category.name)[1]
        photographs = sorted(path for path in category.iterdir() if _IMAGE.fullmatch(path.name))
        if not photographs:
            raise SemcoError(f"{category} holds no image: the source is incomplete, fetch it again")
        images += [SourceImage(path.name, name, path) for path in photographs]
    found = {"categories": len(categories), "images": len(images)}
    for what, expected in TOTALS.items():
        if found[what] != expected:
            raise SemcoError(
                f"{folder} holds {found[what]:,} {what}, expected {expected:,}: the source is incomplete, fetch it again"
            )
    train, test = divide(images, share(_TEST_FRACTION), seed=_SEED)
    return Contents({"train": train, "test": test})
