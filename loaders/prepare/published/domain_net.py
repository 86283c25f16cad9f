"""DomainNet, one domain, from its lists."""

import argparse
from pathlib import Path

from loaders.prepare.sources.contents import Contents, SourceImage
from loaders.prepare.sources.lists import inside, read_lines
from utils.errors import SemcoError

HELP = "DomainNet: the images of one domain, 345 classes"
NAME = "domain_net-{domain}"
SOURCE = "folder with <domain>/, <domain>_train.txt and <domain>_test.txt in it"
LINKS = True
DOWNLOADS = False
DOMAINS = ("clipart", "infograph", "painting", "quickdraw", "real", "sketch")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of this source."""
    parser.add_argument("--domain", choices=DOMAINS, default="real", help="which domain (default: real)")


def read(values: argparse.Namespace) -> Contents:
    """List the images that the two lists of the domain name.

    Raises:
        SemcoError: a list is missing, makes no sense, or contradicts the other.
    """
    names: dict[str, str] = {}
    parts = {part: _read_list(values.source, f"{values.domain}_{part}.txt", names) for part in ("train", "test")}
    if twice := {image.name for image in parts["train"]} & {image.name for image in parts["test"]}:
        raise SemcoError(f"both lists of {values.domain} in {values.source} name {min(twice)}: fetch them again")
    return Contents(parts)


def _read_list(source: Path, list_name: str, names: dict[str, str]) -> list[SourceImage]:
    """Read lines `<domain>/<class>/<file> <number>`; `names` collects number -> class, over both lists."""
    path, images = source / list_name, []
    for line in read_lines(path):
        file, _, number = line.rpartition(" ")
        folders = file.split("/")
        if not number.isdigit() or len(folders) != 3:
            raise SemcoError(f"{path}: the line {line!r} is not `domain/class/file number`: fetch it again")
        if names.setdefault(number, folders[1]) != folders[1]:
            raise SemcoError(f"{path}: class {number} is {names[number]!r} and {folders[1]!r}: fetch the lists again")
        images.append(SourceImage("__".join(folders[1:]), folders[1], inside(source, file, named_by=path)))
    return images
