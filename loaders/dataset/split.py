"""Split files: which images are labelled or used for validation. Pickle, CSV or JSON, told apart by suffix."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loaders.dataset.class_names import clean_class_name
from loaders.dataset.image_files import near_name
from loaders.dataset.index import DatasetIndex
from utils.errors import SemcoError, and_more
from utils.files.atomic import write_text
from utils.files.names import find_fault, path_fault
from utils.files.pickles import dump_pickle
from utils.files.tables import SUFFIXES, read_data

PARTS = ("train", "test")


@dataclass(frozen=True)
class Split:
    """Images of one part of a dataset: file name -> class name, and the file that says so."""

    part: str
    classes: dict[str, str]
    path: Path

    def __len__(self) -> int:
        return len(self.classes)

    def fingerprint(self) -> str:
        """Return a digest of part, file names and classes; the order does not matter."""
        rows = sorted(f"{self.part}/{name}\0{class_name}" for name, class_name in self.classes.items())
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def read_split(path: Path) -> Split:
    """Read a split: `train/<id>` or `test/<id>` -> class.

    Raises:
        SemcoError: missing, damaged, empty, or with keys or classes that make no sense.
    """
    content = read_data(path)
    if not isinstance(content, dict):
        raise SemcoError(f"split {path} holds a {type(content).__name__}, expected a dict from train/<id> to class")
    if not content:
        raise SemcoError(f"split {path} is empty: it must name at least one image")
    classes, parts = {}, set()
    for key, name in content.items():
        if not isinstance(key, str) or not isinstance(name, str):
            # Only types: what a hostile file holds may be endless when it is written out.
            kinds = f"{type(key).__name__} to {type(name).__name__}"
            raise SemcoError(f"split {path} maps {kinds}, expected train/<id> or test/<id> to a class name")
        part, slash, file = key.partition("/")
        if not slash or not file or part not in PARTS:
            raise SemcoError(f"split {path} names {key[:100]!r}, expected train/<id> or test/<id>")
        if "\\" in file:
            raise SemcoError(f"split {path} names {key[:100]!r}: write / between folders, not a backslash")
        if fault := path_fault(file):
            raise SemcoError(f"split {path} names {key[:100]!r}, which {fault}")
        class_name = clean_class_name(name)
        if fault := find_fault(class_name):
            raise SemcoError(f"split {path} gives {key[:100]!r} the class {class_name[:100]!r}, which {fault}")
        parts.add(part)
        classes[str(file)] = class_name
    if len(parts) > 1:
        raise SemcoError(f"split {path} mixes train/ and test/: make one split for each")
    return Split(part=parts.pop(), classes=classes, path=path)


def encode_split(part: str, classes: Mapping[str, str]) -> dict[str, str]:
    """Return the content of a split file."""
    return {f"{part}/{name}": class_name for name, class_name in classes.items()}


def write_content(path: Path, content: dict[str, str] | Sequence[str]) -> None:
    """Write a split or a class list in the format that the suffix names, atomically."""
    if path.suffix.lower() == SUFFIXES["csv"]:
        text = io.StringIO(newline="")
        rows = content.items() if isinstance(content, dict) else ((name,) for name in content)
        csv.writer(text, lineterminator="\n").writerows(rows)
        write_text(path, text.getvalue())
    elif path.suffix.lower() == SUFFIXES["json"]:
        write_text(path, json.dumps(content, indent=0, ensure_ascii=False) + "\n")
    else:
        dump_pickle(path, content)


def locate_split(split: Split, index: DatasetIndex) -> tuple[np.ndarray, np.ndarray]:
    """Find a split's images: sorted positions in the index, and their labels, both int64 (n,).

    Raises:
        SemcoError: an image that the dataset lacks, or a class that differs from the dataset's or is not in the list.
    """
    for names, fault in split_faults(split, index):
        raise SemcoError(
            f"split {split.path} names {names[0][:300]}{and_more(names)} {fault}: use the split of this dataset"
        )
    places = {name: place for place, name in enumerate(index.ids)}
    codes = {name: code for code, name in enumerate(index.class_names)}
    located = sorted((places[name], codes[class_name]) for name, class_name in split.classes.items())
    positions, labels = np.array(located, dtype=np.int64).T
    return positions, labels


def split_faults(split: Split, index: DatasetIndex) -> Iterator[tuple[list[str], str]]:
    """Yield what does not fit the dataset: images, with their classes where these are at fault, and what is wrong with them."""
    truth, known = index.classes, set(index.class_names)
    rows = [(f"{split.part}/{name}", class_name, truth.get(name)) for name, class_name in split.classes.items()]
    if absent := [f"{split.part}/{name}" for name in split.classes if name not in truth]:
        near = near_name(absent[0].partition("/")[2], truth)
        yield absent, f"not in {index.folder}" + (f", where {near} is" if near else "")
    if strange := [f"{name} ({said!r})" for name, said, _ in rows if said not in known]:
        yield strange, "of a class that the list of classes lacks"
    if wrong := [
        f"{name} ({said!r}, not {true!r})" for name, said, true in rows if said in known and true not in (None, said)
    ]:
        yield wrong, "of another class in the labels feather"
