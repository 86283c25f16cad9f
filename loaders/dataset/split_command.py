"""What split_maker.py does: draw which training images are labelled, or check such splits."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from loaders.dataset.index import dataset_folder, has_test_part, table_path
from loaders.dataset.label_table import LabelTable, read_label_table
from loaders.dataset.split import read_split
from loaders.dataset.split_check import check_splits, format_report
from loaders.dataset.split_draw import Draw, draw_split
from loaders.dataset.split_write import SplitFile, describe_split, split_file, write_files
from utils.errors import SemcoError
from utils.files.tables import SUFFIXES
from utils.flags.arguments import OneLineParser, environment_path, path_argument, positive_number, seed_number
from utils.progress import Progress

_SHOWN = 10


def run(arguments: Sequence[str]) -> None:
    """Do what the arguments say."""
    values = _parser().parse(list(arguments))
    (_check if values.check else _make_splits)(values)


def _make_splits(values) -> None:
    folder = dataset_folder(values.dataset_path, values.dataset_name)
    table = read_label_table(table_path(folder, "train"))
    class_names = table.class_names
    if len(class_names) < 2:
        raise SemcoError(
            f"{folder} has {len(class_names)} classes, expected two or more: give its training images some"
        )
    size = {"total": values.labels_total} if values.labels_total else {"per_class": _per_class(values)}
    seeds = list(dict.fromkeys(values.random_seed or [0]))
    draws = {seed: draw_split(table, seed=seed, valid_per_class=values.valid_per_label, **size) for seed in seeds}
    files = [file for seed, draw in draws.items() for file in _seed_files(values, seed, draw)]
    files += _shared_files(values, folder, class_names)
    write_files(files, force=values.force)
    if exhausted := next(iter(draws.values())).exhausted:
        names = ", ".join(map(repr, exhausted[:_SHOWN])) + (
            f" and {len(exhausted) - _SHOWN} more" if len(exhausted) > _SHOWN else ""
        )
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
    """Yield the files that are the same for every seed."""
    test = _test_images(folder, class_names, needed=not values.valid_per_label)
    if test:
        yield split_file(_path(values, "valid_data"), "test", test)
    elif not values.valid_per_label:
        print(
            "note: the dataset has no test part: draw validation images from train/ with --valid-per-label, "
            "or train with --valid-fraction",
            file=sys.stderr,
        )
    yield SplitFile(_path(values, "classes"), class_names, f"{len(class_names)} class names")


def _test_images(folder: Path, class_names: Sequence[str], *, needed: bool) -> dict[str, str]:
    """Return the images of the test part that have a class, none where there is no test part."""
    path = table_path(folder, "test")
    table = read_label_table(path) if has_test_part(folder) else LabelTable(ids=[], classes=[])
    test = {name: kind for name, kind in zip(table.ids, table.classes, strict=True) if kind is not None}
    if needed and table.ids and not test:
        raise SemcoError(
            f"{path} gives no image a class: validation needs some, or pass --valid-per-label to draw it from train/"
        )
    if extra := sorted(set(test.values()) - set(class_names)):
        raise SemcoError(f"{path} has the class {extra[0]!r}, which no training image has")
    return test


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
        raise SemcoError(f"{values.check[0]} does not fit {folder}: make the split again with split_maker.py")


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="split_maker.py",
        description="Draw which training images are labelled, and write the splits that run_semco.py reads.",
    )
    add = parser.add_argument
    add(
        "--dataset-path",
        type=path_argument,
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
        "--random-seed", type=seed_number, nargs="+", action="extend", metavar="SEED",
        help="seeds of the draw, 0 to 2**32 - 1, one labelled split each (default: 0)",
    )  # fmt: skip
    add("--format", choices=SUFFIXES, default="pickle", help="format of the files (default: pickle)")
    add("--output-path", type=path_argument, default=Path("splits"), help="folder for the files (default: splits)")
    add("--force", action="store_true", help="overwrite files that differ")
    add(
        "--check", type=path_argument, nargs="+", metavar="SPLIT",
        help="draw nothing; check a labelled split, and its validation split if given too, against the dataset",
    )  # fmt: skip
    return parser
