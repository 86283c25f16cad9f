"""CIFAR-10 and CIFAR-100, read by torchvision."""

import argparse

from loaders.prepare.published.download import open_with_torchvision
from loaders.prepare.sources.contents import Contents, SourceImage


class CifarSource:
    """A dataset in the format of CIFAR's Python version.

    Args:
        title: the dataset's name for people; `kind`: its class in torchvision; `name`: usual name of the dataset folder.
    """

    LINKS = False
    DOWNLOADS = True

    def __init__(self, title: str, kind: str, name: str) -> None:
        self.HELP = f"{title}: 50,000 training and 10,000 test images of 32x32 pixels"
        self.NAME = name
        self.SOURCE = f"folder that holds {title}'s Python version, unpacked or as .tar.gz"
        self._title, self._kind = title, kind

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare nothing: there are no flags of its own."""

    def read(self, values: argparse.Namespace) -> Contents:
        """Read all images.

        Raises:
            SemcoError: a file is missing or its checksum is wrong.
        """
        parts = {}
        for part in ("train", "test"):
            data = open_with_torchvision(self._kind, values, title=self._title, train=part == "train")
            parts[part] = [
                SourceImage(f"{number:05d}.png", data.classes[label], pixels)
                for number, (pixels, label) in enumerate(zip(data.data, data.targets, strict=True))
            ]
        return Contents(parts)
