"""A dataset folder's label tables -> which images there are, and of which class."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow

from utils.errors import SemcoError
from utils.plain_names import find_fault, path_fault

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


def check_dataset_name(name: str) -> None:
    """Make sure that a dataset's name is the name of one folder: files and run folders are called after it.

    Raises:
        SemcoError: it is a path, or no folder can have it.
    """
    fault = find_fault(name) or ("is a path or hidden" if "/" in name or name.startswith(".") else None)
    if fault:
        raise SemcoError(f"--dataset-name {name[:100]!r} {fault}: expected the name of a folder under --dataset-path")


def dataset_folder(dataset_path: Path | None, dataset_name: str) -> Path:
    """Return the folder of a dataset.

    Raises:
        SemcoError: no dataset path is given, or the dataset is not there.
    """
    if dataset_path is None:
        raise SemcoError("--dataset-path is missing: name the folder of your dataset folders, or set SEMCO_DATA_PATH")
    check_dataset_name(dataset_name)
    try:
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
    except OSError as error:
        raise SemcoError(f"--dataset-path: {error.filename} cannot be read: {error.strerror}") from error
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
    try:
        # Not pyarrow.feather: its reader of files from before 2020 follows whatever they say, out of the file's memory.
        with path.open("rb") as file, pyarrow.ipc.open_file(file) as reader:
            table = reader.read_all()
        # What reads the columns would do the same.
        table.validate(full=True)
    except FileNotFoundError as error:
        raise SemcoError(
            f"label table {path} does not exist: a dataset needs it, see python -m loaders.prepare --help"
        ) from error
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise SemcoError(
            f"label table {path} cannot be read as feather ({type(error).__name__}): make it anew"
        ) from error
    for column in ("id", "class"):
        if table.column_names.count(column) != 1:
            raise SemcoError(
                f"label table {path} lacks the column {column!r} (it has {', '.join(table.column_names) or 'none'})"
            )
    ids = [str(value) if _is_name(value) else None for value in table["id"].to_pylist()]
    # An empty column comes out of pandas as one of numbers that are none.
    classes = [None if value != value else value for value in table["class"].to_pylist()]
    check_rows(f"label table {path}", ids, classes)
    return LabelTable(ids=ids, classes=classes)  # type: ignore[arg-type]


def _is_name(value: object) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def check_rows(table: str, ids: Sequence[str | None], classes: Sequence[object]) -> None:
    """Make sure that rows name images inside the dataset folder, each once, and classes that can be shown.

    Args:
        table: what the rows belong to, for the message.

    Raises:
        SemcoError: the first row that makes no sense.
    """
    if not ids:
        raise SemcoError(f"{table} is empty: it must name the images")
    for row, name in enumerate(ids):
        if not name:
            raise SemcoError(f"{table}: row {row} has no file name")
        if fault := path_fault(name):
            raise SemcoError(f"{table}: row {row} names {name[:100]!r}, which {fault}")
    for row, name in enumerate(classes):
        if name is None:
            continue
        if not isinstance(name, str):
            raise SemcoError(f"{table}: row {row} has a class of type {type(name).__name__}, expected a name")
        if fault := find_fault(name):
            raise SemcoError(f"{table}: row {row} has the class {name[:100]!r}, which {fault}")
    (name, count), *_ = Counter(ids).most_common(1)
    if count > 1:
        raise SemcoError(f"{table} names {name!r} {count} times: each image must stand there once")


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
        reason = _why_missing(folder, missing[0])
        raise SemcoError(f"image {folder / missing[0]} {reason}{more}: restore it or take it out of the labels feather")


def _why_missing(folder: Path, name: str) -> str:
    path = folder / name
    linked = next((parent for parent in path.parents if parent != folder and parent.is_symlink()), None)
    if linked is not None and folder in linked.parents:
        return f"lies behind the linked folder {linked}, which is not followed"
    if path.is_symlink() and not os.path.exists(path):  # noqa: PTH110 (a link to itself makes Path.exists raise)
        return "is a link that leads nowhere"
    return "is no image file" if os.path.lexists(path) else "does not exist"


def _unlabelled_files(folder: Path) -> list[str]:
    """Ids of all files in `unlabelled`, but for those that are hidden, which systems strew about."""
    if not (folder / "unlabelled").is_dir():
        return []
    names = _files(folder / "unlabelled", "")
    return [UNLABELLED + name for name in names if not any(part.startswith(".") for part in name.split("/"))]


def _files(folder: Path, prefix: str) -> Iterator[str]:
    """Yield the files below a folder.

    Links to files count: `--link` makes them. Links to folders can lead in circles, and pipes and devices never end.
    """
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path), f"{prefix}{entry.name}/")
                elif _is_regular(entry):
                    yield prefix + entry.name
    except OSError as error:
        raise SemcoError(f"image folder {folder} cannot be read: {error.strerror}") from error


def _is_regular(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself, or into a folder that may not be read
        return False
