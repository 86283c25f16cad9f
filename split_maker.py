"""Draw which training images are labelled: `python split_maker.py --help`."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from loaders.index import LabelTable, dataset_folder, has_test_part, read_label_table, table_path
from loaders.splits import Split, encode_split, read_class_names, read_split, write_content
from utils.command_line import OneLineParser, environment_path, path_argument
from utils.errors import SemcoError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, or 2 after a user's mistake."""
    try:
        _make_splits(_parser().parse(sys.argv[1:] if argv is None else list(argv)))
    except SemcoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def draw_labelled(table: LabelTable, *, per_class: int, seed: int) -> tuple[dict[str, str], list[str]]:
    """Draw `per_class` images of each class; returns file name -> class, and the classes that had no more than that.

    The draw is part of every published split and fixed for ever: the legacy stream of `numpy.random.seed(seed)`, classes
    in sorted order, `choice` without replacement among a class's images in file order. A class with `per_class` images or
    fewer gives all of them and draws nothing.
    """
    stream = np.random.RandomState(seed)
    images: dict[str, list[str]] = {}
    for name, class_name in zip(table.ids, table.classes, strict=True):
        if class_name is not None:
            images.setdefault(class_name, []).append(name)
    chosen: dict[str, str] = {}
    exhausted = []
    for class_name in sorted(images):
        files = images[class_name]
        if len(files) <= per_class:
            exhausted.append(class_name)
        else:
            files = [str(name) for name in stream.choice(files, per_class, replace=False)]
        chosen.update(dict.fromkeys(files, class_name))
    return chosen, exhausted


def _make_splits(values) -> None:
    folder = dataset_folder(values.dataset_path, values.dataset_name)
    train = read_label_table(table_path(folder, "train"))
    test = read_label_table(table_path(folder, "test")) if has_test_part(folder) else LabelTable([], [])
    labelled, exhausted = draw_labelled(train, per_class=values.instances_per_label, seed=values.random_seed)
    validation = {name: kind for name, kind in zip(test.ids, test.classes, strict=True) if kind is not None}
    class_names = sorted({kind for kind in train.classes if kind is not None})
    if len(class_names) < 2:
        raise SemcoError(
            f"{folder} has {len(class_names)} classes, expected two or more: give its training images some"
        )
    if test.ids and not validation:
        raise SemcoError(f"{table_path(folder, 'test')} gives no image a class: validation needs some")
    if extra := sorted(set(validation.values()) - set(class_names)):
        raise SemcoError(f"{table_path(folder, 'test')} has the class {extra[0]!r}, which no training image has")
    start = values.output_path / values.dataset_name
    written = {
        f"{start}_labelled_data_{values.instances_per_label}_seed{values.random_seed}.pkl": encode_split(
            "train", labelled
        ),
        f"{start}_valid_data.pkl": encode_split("test", validation),
        f"{start}_classes.pkl": class_names,
    }
    if not validation:
        del written[f"{start}_valid_data.pkl"]
    # All conflicts are found before anything is written.
    for path, content in written.items():
        # Not Path.is_dir and Path.exists, which raise where a folder on the way may not be read.
        if os.path.isdir(path):  # noqa: PTH112
            raise SemcoError(f"{path} is a folder where a file would go: remove it, or choose another --output-path")
        if not values.force and os.path.exists(path) and _differs(Path(path), content):  # noqa: PTH110
            raise SemcoError(
                f"{path} exists and differs: pass --force to overwrite it, or choose another --output-path"
            )
    for path, content in written.items():
        write_content(Path(path), content)
    if exhausted:
        names = ", ".join(map(repr, exhausted))
        print(
            f"warning: {len(exhausted)} classes have {values.instances_per_label} images or fewer, all are labelled: {names}",
            file=sys.stderr,
        )
    counts = sorted(Counter(labelled.values()).values())
    split = Split(part="train", classes=labelled, path=Path(next(iter(written))))
    print(
        f"{values.dataset_name}: {len(class_names)} classes, {len(labelled)} labelled images "
        f"({counts[0]} to {counts[-1]} a class) of {len(train.ids)}, {len(validation)} validation images"
    )
    print(f"fingerprint of the labelled split: {split.fingerprint()[:16]}")
    print("\n".join(written))


def _differs(path: Path, content: dict[str, str] | list[str]) -> bool:
    if isinstance(content, list):
        return read_class_names(path) != content
    split = read_split(path)
    return encode_split(split.part, split.classes) != content


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="split_maker.py",
        description="Draw which training images are labelled, and write the splits that run_semco.py reads.",
    )
    parser.add_argument(
        "--dataset-path",
        type=path_argument,
        default=environment_path("SEMCO_DATA_PATH"),
        help="folder that holds the dataset folders (default: $SEMCO_DATA_PATH)",
    )
    parser.add_argument("--dataset-name", default="cifar100", help="the dataset's folder in there (default: cifar100)")
    parser.add_argument(
        "--instances-per-label", type=_positive, default=10, help="labelled images per class (default: 10)"
    )
    parser.add_argument("--random-seed", type=_seed, default=0, help="seed of the draw, 0 to 2**32 - 1 (default: 0)")
    parser.add_argument(
        "--output-path", type=path_argument, default=Path("splits"), help="folder for the files (default: splits)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that differ")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def _seed(text: str) -> int:
    if not 0 <= (number := int(text)) < 2**32:
        raise ValueError(text)
    return number


# argparse names these in its message about a wrong value.
_positive.__name__ = "whole number from 1"
_seed.__name__ = "whole number below 2**32"

if __name__ == "__main__":
    sys.exit(main())
