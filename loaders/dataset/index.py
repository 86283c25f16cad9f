"""A dataset folder and its label tables -> which images there are, and of which class."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from loaders.dataset.label_table import read_label_table
from utils.errors import SemcoError, and_more
from utils.files.names import find_fault

# Images without a label table are found here, seen from train/. No table and no split can name a file so: `..` is refused.
UNLABELLED = "../unlabelled/"


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

    @property
    def classes(self) -> dict[str, str | None]:
        """File name -> class name, or None for an image without a class."""
        names = (None if label < 0 else self.class_names[label] for label in self.labels.tolist())
        return dict(zip(self.ids, names, strict=True))

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
        class_names = source.class_names
    codes = {name: code for code, name in enumerate(class_names)}
    if unknown := [name for name in table.class_names if name not in codes]:
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
        reason = _why_missing(folder, missing[0])
        raise SemcoError(
            f"image {folder / missing[0]} {reason}{and_more(missing)}: restore it or take it out of the labels feather"
        )


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
