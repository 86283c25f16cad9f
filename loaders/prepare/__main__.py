"""Turn a source of images into a dataset folder: `python -m loaders.prepare --help`."""

import sys
import time
from collections.abc import Sequence

from loaders.dataset.index import check_dataset_name
from loaders.prepare import caltech256, cub200, domain_net, imagefolder, mini_imagenet, stanford40, stl10, svhn, table
from loaders.prepare.cifar import CifarSource
from loaders.prepare.contents import check_contents
from loaders.prepare.mnist import CLOTHES, DIGITS, IdxSource
from loaders.prepare.writer import write_dataset
from utils.errors import SemcoError, run_program
from utils.flags.arguments import OneLineParser, environment_path, path_argument
from utils.progress import Progress

# A source has HELP, NAME (the usual name of its dataset folder, filled in from the flags; None: no usual one), SOURCE (what its
# --source is), LINKS (it is made of image files that can be linked to) and `read(values) -> Contents`. It may have DOWNLOADS
# (torchvision can fetch it) and `add_arguments(parser)` for flags of its own.
SOURCES = {
    "imagefolder": imagefolder,
    "table": table,
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    return run_program(lambda: _prepare(_parser().parse(sys.argv[1:] if argv is None else list(argv))))


def _prepare(values) -> None:
    if values.output is None:
        raise SemcoError("--output is missing: name the folder of your dataset folders, or set SEMCO_DATA_PATH")
    name = values.dataset_name or (values.source_module.NAME or "").format(**vars(values))
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
    for name, module in SOURCES.items():
        source = sources.add_parser(name, help=module.HELP, description=module.HELP)
        source.set_defaults(source_module=module, link=False, download=False)
        source.add_argument("--source", type=path_argument, required=True, metavar="DIR", help=module.SOURCE)
        if hasattr(module, "add_arguments"):
            module.add_arguments(source)
        if getattr(module, "DOWNLOADS", False):
            source.add_argument("--download", action="store_true", help="fetch what is missing into --source first")
        usual = f"(default: {module.NAME})" if module.NAME else "(required)"
        source.add_argument(
            "--dataset-name", required=not module.NAME, metavar="NAME", help=f"name of the dataset folder {usual}"
        )
        source.add_argument(
            "--output",
            type=path_argument,
            default=environment_path("SEMCO_DATA_PATH"),
            metavar="DIR",
            help="folder that holds the dataset folders (default: $SEMCO_DATA_PATH)",
        )
        if module.LINKS:
            source.add_argument(
                "--link", action="store_true", help="link to the source's files instead of copying them"
            )
        source.add_argument("--no-progress-bar", dest="progress_bar", action="store_false", help="draw no progress bar")
    return parser


if __name__ == "__main__":
    sys.exit(main())
