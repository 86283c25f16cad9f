"""A dataset folder and its label tables -> which images there are, and of which class."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from loaders.dataset.class_names import clean_class_names
from loaders.dataset.image_files import check_images, unlabelled_images
from loaders.dataset.label_table import LabelTable, read_label_table
from loaders.dataset.parts import check_part_names
from utils.errors import SemcoError
from utils.files.names import find_fault

LOGGER = logging.getLogger("semco")
_SHOWN = 10

# Images without a label table are found here, seen from train/. No table and no split can name a file so: `..` is refused.
UNLABELLED = "../unlabelled/"


@dataclass(frozen=True)
class DatasetIndex:
    """The images of one part of a dataset, sorted by file name.

    `folder`: holds them; `ids`: their names in there, those of unlabelled/ after `UNLABELLED`; `labels`: int64 (N,),
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
        """Image files, in order."""
        return [self.folder / name for name in self.ids]

    @property
    def classes(self) -> dict[str, str | None]:
        """File name -> class name, or None for an image without a class."""
        names = (None if label < 0 else self.class_names[label] for label in self.labels.tolist())
        return dict(zip(self.ids, names, strict=True))

    def fingerprint(self) -> str:
        """Return a digest of file names, labels and class names; the order of rows on disk does not matter."""
        text = "\n".join((*self.class_names, "", *self.ids))
        # The names of files in unlabelled/ are whatever the file system holds.
        total = hashlib.sha256(text.encode("utf-8", "surrogateescape"))
        total.update(self.labels.astype("<i8").tobytes())
        return total.hexdigest()


def check_dataset_name(name: str) -> None:
    """Make sure that a dataset's name can be the name of a folder: files and run folders are called after it.

    Raises:
        SemcoError: it is a path, or no folder can have it.
    """
    fault = find_fault(name) or ("is a path or hidden" if "/" in name or name.startswith(".") else None)
    if fault:
        raise SemcoError(f"--dataset-name {name[:100]!r} {fault}: expected the name of a folder under --dataset-path")


def dataset_folder(dataset_path: Path | None, dataset_name: str) -> Path:
    """Return the folder of a dataset.

    Raises:
        SemcoError: no dataset path is given, the dataset is not there, or one of its parts has a name that is not read.
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
            known = ", ".join(there[:_SHOWN]) if there else "none"
            known += f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
            raise SemcoError(
                f"no dataset {dataset_name!r} in {dataset_path} (there: {known}): check --dataset-name, "
                "or make the folder with python -m loaders.prepare"
            )
    except OSError as error:
        raise SemcoError(f"--dataset-path: {error.filename} cannot be read: {error.strerror}") from error
    check_part_names(folder)
    return folder


def table_path(folder: Path, part: str) -> Path:
    """Return where a dataset folder keeps the label table of `train` or `test`."""
    return folder / "labels" / f"labels_{part}.feather"


def has_test_part(folder: Path) -> bool:
    """Say whether a dataset folder has more than training images."""
    return table_path(folder, "test").exists() or (folder / "test").exists()


def load_index(folder: Path, part: str, *, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Index the images of `train` or `test`, and check that each is there.

    The images of the folder `unlabelled`, whatever their names, are training images without a class.

    Args:
        class_names: classes in order; by default those of the training table, sorted. Those without a training image are
            warned about.

    Raises:
        SemcoError: anything missing, or a class that `class_names` lacks.
    """
    path = table_path(folder, part)
    table = read_label_table(path)
    if class_names is None:
        source = table if part == "train" else read_label_table(table_path(folder, "train"))
        names = tuple(source.class_names)
    else:
        names = clean_class_names(class_names)
        if part == "train":
            _warn_of_unused(names, table)
    codes = {name: code for code, name in enumerate(names)}
    if unknown := [name for name in table.class_names if name not in codes]:
        raise SemcoError(
            f"label table {path} has the class {unknown[0]!r}, which the list of {len(codes)} classes lacks"
        )
    if len(codes) < 2:
        raise SemcoError(f"{folder} has {len(codes)} classes: classification needs at least two")
    check_images(folder / part, table.ids)
    labels = {
        name: -1 if class_name is None else codes[class_name]
        for name, class_name in zip(table.ids, table.classes, strict=True)
    }
    if part == "train":
        labels |= {UNLABELLED + name: -1 for name in _found_unlabelled(folder / "unlabelled")}
    ids = sorted(labels)
    return DatasetIndex(folder / part, tuple(ids), np.array([labels[name] for name in ids], dtype=np.int64), names)


def _warn_of_unused(names: Sequence[str], table: LabelTable) -> None:
    """Warn of listed classes without a training image: a heading, or a misspelt name, would be a class of its own."""
    used = set(table.class_names)
    if unused := [name for name in names if name not in used]:
        more = f" and {len(unused) - _SHOWN} more" if len(unused) > _SHOWN else ""
        LOGGER.warning(
            "%d of the %d listed classes have no training image: %s%s; if that is not meant, correct the class list",
            len(unused),
            len(names),
            ", ".join(map(repr, unused[:_SHOWN])),
            more,
        )


def _found_unlabelled(folder: Path) -> list[str]:
    names, leftovers = unlabelled_images(folder)
    if leftovers:
        LOGGER.warning(
            "%d files in %s were left by systems or are hidden, and are skipped: %s%s",
            len(leftovers),
            folder,
            leftovers[0],
            ", ..." if len(leftovers) > 1 else "",
        )
    return names
