"""A dataset folder's label tables -> which images there are, and of which class."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow

from utils.errors import SemcoError

# Images without a label table are found here, seen from train/. No table and no split can name a file so: `..` is refused.
UNLABELLED = "../unlabelled/"


@dataclass(frozen=True)
class LabelTable:
    """A label table in the order of its rows: file names, and class names or None."""

    ids: list[str]
    classes: list[str | None]


@dataclass(frozen=True)
class DatasetIndex:
    """The images of one part of a dataset, sorted by file name.

    `folder`: where they lie; `ids`: their names in there, those of unlabelled/ behind `UNLABELLED`; `labels`: int64 (N,),
    positions in `class_names`, -1 for an image without a class.
    """

    folder: Path
    ids: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def paths(self) -> list[Path]:
        """The image files, in order."""
        return [self.folder / name for name in self.ids]

    def fingerprint(self) -> str:
        """Digest of file names, labels and class names; the order of rows on disk does not matter."""
        text = "\n".join((*self.class_names, "", *self.ids))
        # The names of files in unlabelled/ are whatever the file system holds.
        total = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
        total.update(self.labels.astype("<i8").tobytes())
        return total.hexdigest()


def dataset_folder(dataset_path: Path | None, dataset_name: str) -> Path:
    """Return the folder of a dataset.

    Raises:
        SemcoError: no dataset path is given, or the dataset is not there.
    """
    if dataset_path is None:
        raise SemcoError("--dataset-path is missing: name the folder of your dataset folders, or set SEMCO_DATA_PATH")
    if not dataset_path.is_dir():
        raise SemcoError(f"--dataset-path {dataset_path} is no folder: check the path")
    folder = dataset_path / dataset_name
    if not (folder / "labels").is_dir():
        there = sorted(entry.name for entry in dataset_path.iterdir() if (entry / "labels").is_dir())
        known = ", ".join(there) if there else "none"
        raise SemcoError(
            f"no dataset {dataset_name!r} in {dataset_path} (there: {known}): check --dataset-name, "
            "or make the folder with python -m loaders.prepare"
        )
    return folder


def table_path(folder: Path, part: str) -> Path:
    """Where a dataset folder keeps the label table of `train` or `test`."""
    return folder / "labels" / f"labels_{part}.feather"


def has_test_part(folder: Path) -> bool:
    """False for a dataset folder with training images only."""
    return table_path(folder, "test").exists() or (folder / "test").exists()


def read_label_table(path: Path) -> LabelTable:
    """Read a feather with the columns `id` and `class`.

    Raises:
        SemcoError: missing, damaged, without those columns, or with rows that make no sense.
    """
    if not path.is_file():
        raise SemcoError(f"label table {path} does not exist: a dataset needs it, see python -m loaders.prepare --help")
    try:
        table = pd.read_feather(path)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SemcoError(
            f"label table {path} cannot be read as feather ({type(error).__name__}): make it anew"
        ) from error
    for column in ("id", "class"):
        if column not in table.columns:
            raise SemcoError(
                f"label table {path} lacks the column {column!r} (it has {', '.join(map(str, table.columns))})"
            )
    ids = [str(value) if isinstance(value, (str, int, np.integer)) else None for value in table["id"].tolist()]
    missing = table["class"].isna().tolist()
    classes = [None if absent else value for absent, value in zip(missing, table["class"].tolist(), strict=True)]
    _check_rows(path, ids, classes)
    return LabelTable(ids=ids, classes=classes)  # type: ignore[arg-type]


def _check_rows(path: Path, ids: Sequence[str | None], classes: Sequence[object]) -> None:
    if not ids:
        raise SemcoError(f"label table {path} is empty: it must name the images")
    for row, name in enumerate(ids):
        if name is None or not name or "\0" in name:
            raise SemcoError(f"label table {path}: row {row} has no file name")
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            raise SemcoError(f"label table {path}: row {row} names {name!r}, which is not inside the dataset folder")
    for row, name in enumerate(classes):
        if name is not None and (not isinstance(name, str) or not name.strip()):
            raise SemcoError(f"label table {path}: row {row} has the class {name!r}, expected a name")
    if len(set(ids)) != len(ids):
        counts = pd.Series(ids).value_counts()
        raise SemcoError(
            f"label table {path} names {counts.index[0]!r} {counts.iloc[0]} times: each image must stand there once"
        )


def load_index(folder: Path, part: str, *, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Index the images of `train` or `test`, and check that each is there.

    The images of the folder `unlabelled`, whatever their names, are training images without a class.

    Args:
        class_names: classes in order; by default those of the training table, sorted.

    Raises:
        SemcoError: anything missing, or a class that `class_names` lacks.
    """
    path = table_path(folder, part)
    table = read_label_table(path)
    if class_names is None:
        source = table if part == "train" else read_label_table(table_path(folder, "train"))
        class_names = sorted({name for name in source.classes if name is not None})
    codes = {name: code for code, name in enumerate(class_names)}
    if unknown := sorted({name for name in table.classes if name is not None and name not in codes}):
        raise SemcoError(
            f"label table {path} has the class {unknown[0]!r}, which the list of {len(codes)} classes lacks"
        )
    if len(codes) < 2:
        raise SemcoError(f"{folder} has {len(codes)} classes: classification needs at least two")
    _check_files(folder / part, table.ids)
    labels = {
        name: -1 if class_name is None else codes[class_name]
        for name, class_name in zip(table.ids, table.classes, strict=True)
    }
    if part == "train":
        labels |= dict.fromkeys(_unlabelled_files(folder), -1)
    ids = sorted(labels)
    return DatasetIndex(
        folder / part, tuple(ids), np.array([labels[name] for name in ids], dtype=np.int64), tuple(class_names)
    )


def _check_files(folder: Path, ids: Sequence[str]) -> None:
    """Compare with one walk through the folder: a million single look-ups would take minutes on network disks."""
    there = set(_files(folder, ""))
    missing = [name for name in sorted(ids) if name not in there]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise SemcoError(
            f"image {folder / missing[0]} does not exist{more}: restore it or take it out of the labels feather"
        )


def _unlabelled_files(folder: Path) -> list[str]:
    """Ids of all files in `unlabelled`, but for those that are hidden, which systems strew about."""
    if not (folder / "unlabelled").is_dir():
        return []
    names = _files(folder / "unlabelled", "")
    return [UNLABELLED + name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def _files(folder: Path, prefix: str):
    try:
        entries = os.scandir(folder)
    except OSError as error:
        raise SemcoError(f"image folder {folder} cannot be read: {error.strerror}") from error
    with entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name
