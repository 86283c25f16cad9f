"""What `python -m loaders.prepare` does: a source of images becomes a dataset folder."""

import argparse
import time
from collections.abc import Sequence

from loaders.dataset.index import check_dataset_name
from loaders.prepare.published import caltech256, cub200, domain_net, mini_imagenet, stanford40, stl10, svhn
from loaders.prepare.published.cifar import CifarSource
from loaders.prepare.published.mnist import CLOTHES, DIGITS, IdxSource
from loaders.prepare.shards import huggingface, webdataset
from loaders.prepare.sources import imagefolder, table
from loaders.prepare.sources.contents import check_contents
from loaders.prepare.sources.source import Source, dataset_name, declare_source
from loaders.prepare.writer import write_dataset
from utils.errors import SemcoError
from utils.flags.arguments import OneLineParser
from utils.progress import Progress

SOURCES: dict[str, Source] = {
    "imagefolder": imagefolder,
    "table": table,
    "huggingface": huggingface,
    "webdataset": webdataset,
    "cifar10": CifarSource("CIFAR-10", "CIFAR10", "cifar10"),
    "cifar100": CifarSource("CIFAR-100", "CIFAR100", "cifar100"),
    "svhn": svhn,
    "stl10": stl10,
    "mnist": IdxSource("MNIST", "MNIST", "mnist", DIGITS),
    "fashion_mnist": IdxSource("Fashion-MNIST", "FashionMNIST", "fashion_mnist", CLOTHES),
    "mini_imagenet": mini_imagenet,
    "stanford40": stanford40,
    "caltech256": caltech256,
    "cub200": cub200,
    "domain_net": domain_net,
}


def run(arguments: Sequence[str]) -> None:
    """Do what the arguments say."""
    _prepare(_parser().parse(list(arguments)))


def _prepare(values: argparse.Namespace) -> None:
    if values.output is None:
        raise SemcoError("--output is missing: name the folder of your dataset folders, or set SEMCO_DATA_PATH")
    name = dataset_name(values)
    check_dataset_name(name)
    start = time.perf_counter()
    target = values.output / name
    progress = Progress(enabled=values.progress_bar)
    try:
        if not values.source.is_dir() and not values.download:
            raise SemcoError(f"--source {values.source} is no folder: check the path")
        contents = values.source_module.read(values)
        check_contents(contents, progress=progress)
    except OSError as error:
        raise SemcoError(f"--source {values.source} cannot be read ({error}): check who may read it") from error
    fresh = write_dataset(target, contents, link=values.link, progress=progress)
    counts = ", ".join(f"{len(images):,} {part} images" for part, images in contents.parts.items())
    state = f"written in {time.perf_counter() - start:.1f} s" if fresh else "is up to date"
    print(f"{target}: {counts}, {len(contents.class_names)} classes; {state}")
    for text in contents.texts:
        print(f"also written: {target / text}")


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m loaders.prepare", description="Turn a source of images into a dataset folder."
    )
    sources = parser.add_subparsers(metavar="SOURCE", required=True, parser_class=OneLineParser)
    for name, source in SOURCES.items():
        declare_source(sources.add_parser(name, help=source.HELP, description=source.HELP), source)
    return parser
