"""SVHN (32x32 crops of house numbers), read by torchvision."""

import argparse

from loaders.prepare.published.download import open_with_torchvision
from loaders.prepare.published.mnist import DIGITS
from loaders.prepare.sources.contents import Contents, SourceImage
from loaders.prepare.sources.source import no_arguments

HELP = "SVHN: 73,257 training and 26,032 test images of digits, 32x32 pixels"
NAME = "svhn"
SOURCE = "folder that holds train_32x32.mat and test_32x32.mat"
LINKS = False
DOWNLOADS = True

add_arguments = no_arguments


def read(values: argparse.Namespace) -> Contents:
    """Read all images.

    Raises:
        SemcoError: a file is missing or its checksum is wrong.
    """
    parts = {}
    for part in ("train", "test"):
        data = open_with_torchvision("SVHN", values, title="SVHN", split=part)
        parts[part] = [
            SourceImage(f"{number:05d}.png", DIGITS[label], pixels)
            for number, (pixels, label) in enumerate(zip(data.data.transpose(0, 2, 3, 1), data.labels, strict=True))
        ]
    return Contents(parts)
