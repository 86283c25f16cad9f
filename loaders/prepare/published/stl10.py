"""STL-10 with its unlabelled images, read by torchvision."""

import argparse

from loaders.prepare.published.download import open_with_torchvision
from loaders.prepare.sources.contents import Contents, SourceImage
from loaders.prepare.sources.source import no_arguments

HELP = "STL-10: 5,000 training, 8,000 test and 100,000 unlabelled images of 96x96 pixels"
NAME = "stl10"
SOURCE = "folder that holds STL-10's binary files, unpacked or as .tar.gz"
LINKS = False
DOWNLOADS = True
# The labels 1 to 10 of the binary files, in order.
CLASS_NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")

add_arguments = no_arguments


def read(values: argparse.Namespace) -> Contents:
    """Read all images.

    Raises:
        SemcoError: a file is missing or its checksum is wrong.
    """
    parts = {"train": "train", "test": "test", "unlabelled": "unlabeled"}
    return Contents({part: _read_part(values, split) for part, split in parts.items()})


def _read_part(values: argparse.Namespace, split: str) -> list[SourceImage]:
    data = open_with_torchvision("STL10", values, title="STL-10", split=split)
    names = [None if label < 0 else CLASS_NAMES[label] for label in data.labels]
    return [
        SourceImage(f"{number:05d}.png", name, pixels)
        for number, (name, pixels) in enumerate(zip(names, data.data.transpose(0, 2, 3, 1), strict=True))
    ]
