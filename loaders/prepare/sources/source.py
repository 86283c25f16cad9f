"""What a source of images must offer, and the flags that every source has."""

import argparse
from typing import Protocol

from loaders.prepare.sources.contents import Contents
from utils.flags.arguments import environment_path, path_argument


class Source(Protocol):
    """A source of images: a module, or an object where several datasets share a format."""

    HELP: str
    """What it is, for --help."""
    NAME: str | None
    """Usual name of the dataset folder, filled in from the flags; None: there is no usual one."""
    SOURCE: str
    """What its --source is, for --help."""
    LINKS: bool
    """It is made of image files that can be linked to."""
    DOWNLOADS: bool
    """torchvision can fetch it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the flags that this source alone has."""

    def read(self, values: argparse.Namespace) -> Contents:
        """List, or read, the images of `values.source`.

        Raises:
            SemcoError: the source is incomplete or damaged.
        """


def declare_source(parser: argparse.ArgumentParser, source: Source) -> None:
    """Declare the flags of one source: those of its own, and those that all share."""
    parser.set_defaults(source_module=source, link=False, download=False)
    parser.add_argument("--source", type=path_argument, required=True, metavar="DIR", help=source.SOURCE)
    source.add_arguments(parser)
    if source.DOWNLOADS:
        parser.add_argument("--download", action="store_true", help="fetch what is missing into --source first")
    usual = f"(default: {source.NAME})" if source.NAME else "(required)"
    parser.add_argument(
        "--dataset-name", required=not source.NAME, metavar="NAME", help=f"name of the dataset folder {usual}"
    )
    parser.add_argument(
        "--output",
        type=path_argument,
        default=environment_path("SEMCO_DATA_PATH"),
        metavar="DIR",
        help="folder that holds the dataset folders (default: $SEMCO_DATA_PATH)",
    )
    if source.LINKS:
        parser.add_argument("--link", action="store_true", help="link to the source's files instead of copying them")
    parser.add_argument("--no-progress-bar", dest="progress_bar", action="store_false", help="draw no progress bar")


def dataset_name(values: argparse.Namespace) -> str:
    """Return the name of the dataset folder: the one given, or the source's usual one."""
    return values.dataset_name or (values.source_module.NAME or "").format(**vars(values))


def no_arguments(_: argparse.ArgumentParser) -> None:
    """Declare nothing: the `add_arguments` of a source without flags of its own."""
