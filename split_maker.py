"""Draw which training images are labelled: `python split_maker.py --help`."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from loaders.index import LabelTable, dataset_folder, read_label_table, table_path
from loaders.split_check import check_splits, format_report
from loaders.split_draw import Draw, draw_split
from loaders.split_files import SplitFile, describe_split, split_file, write_files
from loaders.splits import read_split
from utils.command_line import OneLineParser, environment_path, positive_number
from utils.data_files import SUFFIXES
from utils.errors import SemcoError
from utils.progress import Progress


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, or 2 after a user's mistake or for a split that does not fit."""
    try:
        values = _parser().parse(sys.argv[1:] if argv is None else list(argv))
        if values.check:
            _check(values)
        else:
            _make_splits(values)
    except SemcoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _make_splits(values) -> None:
    folder = dataset_folder(values.dataset_path, values.dataset_name)
    table = read_label_table(table_path(folder, "train"))
    class_names = sorted({kind for kind in table.classes if kind is not None})
    size = {"total": values.labels_total} if values.labels_total else {"per_class": _per_class(values)}
    seeds = list(dict.fromkeys(values.random_seed or [0]))
    draws = {seed: draw_split(table, seed=seed, valid_per_class=values.valid_per_label, **size) for seed in seeds}
    files = [file for seed, draw in draws.items() for file in _seed_files(values, seed, draw)]
    files += _shared_files(values, folder, class_names)
    write_files(files, force=values.force)
    if exhausted := next(iter(draws.values())).exhausted:
        names = ", ".join(map(repr, exhausted))
        print(
            f"warning: all images of {len(exhausted)} classes are labelled, they have no more: {names}", file=sys.stderr
        )
    print(f"{values.dataset_name}: {len(class_names)} classes, {len(table.ids)} images in train/")
    print("\n".join(f"{file.path}: {file.what}" for file in files))


def _seed_files(values, seed: int, draw: Draw) -> Iterable[SplitFile]:
    drawn = f"total{values.labels_total}" if values.labels_total else str(_per_class(values))
    yield split_file(_path(values, f"labelled_data_{drawn}_seed{seed}"), "train", draw.labelled)
    if draw.validation:
        name = f"valid_data_{values.valid_per_label}_beside_{drawn}_seed{seed}"
        yield split_file(_path(values, name), "train", draw.validation)


def _per_class(values) -> int:
    return values.instances_per_label or 10


def _shared_files(values, folder: Path, class_names: list[str]) -> Iterable[SplitFile]:
    """Files that are the same for every seed."""
    test = _test_images(folder)
    if test:
        yield split_file(_path(values, "valid_data"), "test", test)
    elif not values.valid_per_label:
        print(
            "note: no image in test/ has a class: --valid-per-label draws validation images from train/",
            file=sys.stderr,
        )
    yield SplitFile(_path(values, "classes"), class_names, f"{len(class_names)} class names")


def _test_images(folder: Path) -> dict[str, str]:
    path = table_path(folder, "test")
    test = read_label_table(path) if path.is_file() else LabelTable(ids=[], classes=[])
    return {name: kind for name, kind in zip(test.ids, test.classes, strict=True) if kind is not None}


def _path(values, name: str) -> Path:
    return values.output_path / f"{values.dataset_name}_{name}{SUFFIXES[values.format]}"


def _check(values) -> None:
    if len(values.check) > 2:
        raise SemcoError("--check takes a labelled split and, if it has one, its validation split; check others apart")
    folder = dataset_folder(values.dataset_path, values.dataset_name)
    splits = [read_split(path) for path in values.check]
    report = check_splits(folder, *splits, progress=Progress())
    for split in splits:
        print(f"{split.path}: {describe_split(split)}")
    print(format_report(report))
    if report.problems:
        raise SemcoError(f"{values.check[0]} does not fit {folder}: make the split anew with split_maker.py")


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="split_maker.py",
        description="Draw which training images are labelled, and write the splits that run_semco.py reads.",
    )
    add = parser.add_argument
    add(
        "--dataset-path",
        type=Path,
        default=environment_path("SEMCO_DATA_PATH"),
        help="folder that holds the dataset folders (default: $SEMCO_DATA_PATH)",
    )
    add("--dataset-name", default="cifar100", help="the dataset's folder in there (default: cifar100)")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--instances-per-label", type=positive_number, metavar="N", help="labelled images per class (default: 10)"
    )
    size.add_argument(
        "--labels-total",
        type=positive_number,
        metavar="N",
        help="labelled images in all, shared equally by the classes",
    )
    add(
        "--valid-per-label", type=positive_number, default=0, metavar="N",
        help="draw N validation images per class from train/, so that no choice looks at test/ (default: none)",
    )  # fmt: skip
    add(
        "--random-seed", type=_seed, nargs="+", action="extend", metavar="SEED",
        help="seeds of the draw, 0 to 2**32 - 1, one labelled split each (default: 0)",
    )  # fmt: skip
    add("--format", choices=SUFFIXES, default="pickle", help="format of the files (default: pickle)")
    add("--output-path", type=Path, default=Path("splits"), help="folder for the files (default: splits)")
    add("--force", action="store_true", help="overwrite files that differ")
    add(
        "--check", type=Path, nargs="+", metavar="SPLIT",
        help="draw nothing; check a labelled split, and its validation split if given too, against the dataset",
    )  # fmt: skip
    return parser


def _seed(text: str) -> int:
    if not 0 <= (number := int(text)) < 2**32:
        raise ValueError(text)
    return number


# argparse names it in its message about a wrong value.
_seed.__name__ = "whole number below 2**32"

if __name__ == "__main__":
    sys.exit(main())
