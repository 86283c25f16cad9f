"""Turn a source of images into a dataset folder: `python -m loaders.prepare --help`."""

import sys
import time
from collections.abc import Sequence

from loaders.index import check_dataset_name
from loaders.prepare import imagefolder
from loaders.prepare.mnist import CLOTHES, DIGITS, IdxSource
from loaders.prepare.writer import write_dataset
from utils.command_line import OneLineParser, environment_path, path_argument
from utils.errors import SemcoError
from utils.progress import Progress

SOURCES = {
    "imagefolder": imagefolder,
    "mnist": IdxSource("MNIST", DIGITS),
    "fashion_mnist": IdxSource("Fashion-MNIST", CLOTHES),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, or 2 after a user's mistake."""
    try:
        _prepare(_parser().parse(sys.argv[1:] if argv is None else list(argv)))
    except SemcoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _prepare(values) -> None:
    if values.output is None:
        raise SemcoError("--output is missing: name the folder of your dataset folders, or set SEMCO_DATA_PATH")
    check_dataset_name(values.dataset_name)
    start = time.perf_counter()
    target = values.output / values.dataset_name
    parts = values.source_module.read(values)
    fresh = write_dataset(target, parts, link=values.link, progress=Progress(enabled=values.progress_bar))
    classes = {image.class_name for images in parts.values() for image in images}
    counts = ", ".join(f"{len(images):,} {part} images" for part, images in parts.items())
    state = f"written in {time.perf_counter() - start:.1f} s" if fresh else "is up to date"
    print(f"{target}: {counts}, {len(classes)} classes; {state}")


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m loaders.prepare", description="Turn a source of images into a dataset folder."
    )
    sources = parser.add_subparsers(metavar="SOURCE", required=True, parser_class=OneLineParser)
    for name, module in SOURCES.items():
        source = sources.add_parser(name, help=module.HELP, description=module.HELP)
        source.set_defaults(source_module=module)
        module.add_arguments(source)
        source.add_argument("--dataset-name", required=True, metavar="NAME", help="name of the dataset folder")
        source.add_argument(
            "--output",
            type=path_argument,
            default=environment_path("SEMCO_DATA_PATH"),
            metavar="DIR",
            help="folder that holds the dataset folders (default: $SEMCO_DATA_PATH)",
        )
        source.add_argument("--link", action="store_true", help="link to the source's files instead of copying them")
        source.add_argument("--no-progress-bar", dest="progress_bar", action="store_false", help="draw no progress bar")
    return parser


if __name__ == "__main__":
    sys.exit(main())
