"""predict_semco.py's command line. Nothing heavy is imported here: --help and mistakes answer at once."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from utils.errors import SemcoError
from utils.flags.arguments import OneLineParser, environment_path, path_argument, positive_number

HEADS = ("both", "class", "embedding")
FORMATS = ("csv", "json", "jsonl", "parquet")
_EMBEDDINGS = (".npy", ".npz")
_SPLITS = (".pkl", ".csv", ".json")
_EPILOG = """\
Every image gives one row: file, label, confidence, the --topk classes with their probabilities, each head's label, whether
the heads agree, label group, margin between the first two classes, accepted, true class where it is known, error.
docs/predict.md describes them. A class is known where a folder is called after it, a table has a column `class`, or the
folder is train/ or test/ of a dataset."""


def parse_predict(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse and check the arguments.

    Raises:
        SemcoError: a mistake in them.
    """
    values = _parser().parse(arguments)
    values.format = _resolve_format(values.format, values.output)
    _check(values)
    values.word_vec_path = values.word_vec_path or environment_path("SEMCO_WV_PATH")
    return values


def _resolve_format(wanted: str | None, output: Path | None) -> str:
    """The format asked for, or the one that the output's suffix names, or CSV."""
    suffix = "" if output is None else output.suffix.lower()[1:]
    found = wanted or (suffix if suffix in FORMATS else "csv")
    if found == "parquet" and output is None:
        raise SemcoError("--format parquet is no text: name a file with --output")
    return found


def _check(values: argparse.Namespace) -> None:
    if values.unlabelled and values.paths:
        raise SemcoError(
            f"--unlabelled classifies the run's own pool, and {values.paths[0]} is something else: drop one of them"
        )
    if not values.unlabelled and not values.paths:
        raise SemcoError(
            "no images: name files, folders, globs or a table, - for a list on stdin, or pass --unlabelled"
        )
    for flag, path, suffixes in (
        ("--embeddings", values.embeddings, _EMBEDDINGS),
        ("--as-split", values.as_split, _SPLITS),
    ):
        if path is not None and path.suffix not in suffixes:
            raise SemcoError(f"{flag} {path}: expected a file name that ends in {', '.join(suffixes)}")
    if values.as_split is not None and values.min_confidence is None:
        raise SemcoError("--as-split writes confident answers: say how confident, for example --min-confidence 0.95")
    if values.classes is None and (values.word_vec_path or values.label_terms):
        raise SemcoError("--word-vec-path and --label-terms go with --classes: a checkpoint holds its own word vectors")
    if values.classes is not None and (values.head not in (None, "embedding") or values.as_split is not None):
        raise SemcoError(
            "--classes is scored by the embedding head alone, and makes no split: drop --head or --as-split"
        )
    outputs = [path for path in (values.output, values.embeddings, values.as_split) if path is not None]
    if len({os.path.abspath(path) for path in outputs}) < len(outputs):  # noqa: PTH100 (resolves `..` too)
        raise SemcoError("two of --output, --embeddings and --as-split name one file: give each its own")


class _Parser(OneLineParser):
    """Lets flags stand between the paths, which argparse by itself does not."""

    def parse_args(self, args=None, namespace=None):
        return self.parse_intermixed_args(args, namespace)


def _parser() -> OneLineParser:
    parser = _Parser(
        prog="predict_semco.py",
        description="Classify photographs with a trained run. The checkpoint says everything that is needed.",
        epilog=_EPILOG,
    )
    add = parser.add_argument
    add("run", metavar="RUN_OR_CHECKPOINT", type=path_argument, help="a run folder, or a .pth file in it")
    add(
        "paths", metavar="PATH", nargs="*",
        help="images, folders of any depth, globs, tables (.csv, .parquet, .feather) with a column `file`, or - for a list on "
        "stdin (a path a line, or separated by zero bytes)",
    )  # fmt: skip
    add("--unlabelled", action="store_true", help="classify the run's own unlabelled pool instead of PATH")
    add(
        "--checkpoint", choices=("last", "best"), default="last",
        help="which checkpoint of a run folder; the last epoch is what the paper reports (default: last)",
    )  # fmt: skip
    _add_answers(parser.add_argument_group("answers"))
    _add_outputs(parser.add_argument_group("outputs"))
    _add_new_classes(parser.add_argument_group("new classes (experimental)"))
    _add_machine(parser.add_argument_group("machine"))
    return parser


def _add_answers(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--head",
        choices=HEADS,
        default=None,
        help="whose probabilities rank the classes; both: their mean (default: both)",
    )
    group.add_argument(
        "--topk",
        type=positive_number,
        default=5,
        metavar="K",
        help="classes listed per image, at most all (default: 5)",
    )
    group.add_argument(
        "--min-confidence", type=_probability, default=None, metavar="P",
        help="probability of the first class from which on an answer is accepted (default: all are)",
    )  # fmt: skip


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--output", type=path_argument, metavar="FILE", help="file of the rows (default: stdout)")
    add("--format", choices=FORMATS, help="format of the rows (default: by the suffix of --output, else csv)")
    add(
        "--embeddings", type=path_argument, metavar="FILE",
        help="write the embeddings, a row per image, NaN for one that cannot be decoded: .npy, or .npz with the file names",
    )  # fmt: skip
    add(
        "--copy-to", type=path_argument, metavar="DIR",
        help="copy accepted images into a folder per class; nothing there is overwritten",
    )  # fmt: skip
    add(
        "--as-split", type=path_argument, metavar="FILE",
        help="write the accepted answers as a split for the next training (.pkl, .csv, .json); needs --min-confidence, and "
        "training images of the run's own dataset",
    )  # fmt: skip


def _add_new_classes(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--classes", type=path_argument, metavar="FILE",
        help="experimental: score these class names (one a line, or .pkl, .csv, .json), which need not have been trained, by "
        "the embedding head against their word vectors",
    )  # fmt: skip
    add(
        "--word-vec-path", type=path_argument, metavar="FILE",
        help="with --classes: the word vectors of the training (default: $SEMCO_WV_PATH, else where the run found them)",
    )  # fmt: skip
    add("--label-terms", type=path_argument, metavar="FILE", help="with --classes: CSV `class,term` of the new names")


def _add_machine(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add(
        "--skip-bad-images", action="store_true",
        help="skip images that cannot be decoded; their rows say why in the column `error`",
    )  # fmt: skip
    add("--dataset-path", type=path_argument, metavar="DIR", help="where the run's dataset folders are now")
    add("--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)")
    add("--batch-size", type=positive_number, default=256, metavar="N", help="images per forward pass (default: 256)")
    add("--num-workers", type=_workers, default=4, metavar="N", help="processes that decode images (default: 4)")
    add("--no-progress-bar", dest="progress_bar", action="store_false", help="draw no progress bar")


def _probability(text: str) -> float:
    if not 0 <= (number := float(text)) <= 1:
        raise ValueError(text)
    return number


def _workers(text: str) -> int:
    if not 0 <= (number := int(text)) <= 1024:
        raise ValueError(text)
    return number


# argparse names these in its message about a wrong value.
_probability.__name__ = "probability from 0 to 1"
_workers.__name__ = "whole number from 0 to 1024"
