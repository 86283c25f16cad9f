"""Find the shards of a dataset, and the part that each belongs to: `train-00000-of-00004.parquet`, `test/0.tar`."""

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from loaders.dataset.parts import TEST_NAMES, TRAIN_NAMES, UNLABELLED_NAMES, VALID_NAMES, is_leftover
from loaders.prepare.sources.contents import warn
from utils.errors import SemcoError, first_ten
from utils.files.regular import check_regular

# The names that the hub uses, beside those that a dataset folder's parts go by.
_SPLITS = {
    "train": TRAIN_NAMES,
    "test": TEST_NAMES,
    "validation": VALID_NAMES | {"dev"},
    "unlabelled": UNLABELLED_NAMES | {"unsupervised"},
}
_SPLIT_OF = {name: split for split, names in _SPLITS.items() for name in names}
_PIECE = re.compile(r"^(?P<series>.*)-(?P<number>\d+)-of-(?P<count>\d+)$")


def find_shards(source: Path, suffixes: Sequence[str], *, left_out: Sequence[str] = ()) -> dict[str, list[Path]]:
    """Find the files with one of `suffixes` below `source`: `train`, `test`, `validation`, `unlabelled` -> sorted files.

    Hidden files, those that systems leave and those that begin with one of `left_out` are skipped.

    The split is named by the file, else by the nearest folder that names one. Where nothing names a split, all are `train`;
    where something does, the files that belong to none are warned about.

    Raises:
        SemcoError: there are none, no training ones, two series of one split, or a piece of a series is missing.
    """
    found: dict[str | None, list[Path]] = defaultdict(list)
    for path in _files(source, tuple(suffixes), (".", *left_out)):
        found[_split(path, source)].append(path)
    if not found:
        raise SemcoError(f"--source {source} holds no {' or '.join(suffixes)} files: name the folder of the shards")
    others = found.pop(None, [])
    if not found:
        found["train"] = others
    elif others:
        warn(f"{len(others)} files belong to no split that is known, and are not read: {others[0]}")
    if "train" not in found:
        raise SemcoError(f"--source {source} holds no shards of train, only of {', '.join(sorted(map(str, found)))}")
    for split, paths in found.items():
        _check_series(str(split), paths, source)
    return {str(split): paths for split, paths in found.items()}


def _files(source: Path, suffixes: tuple[str, ...], left_out: tuple[str, ...]) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise error

    paths = []
    for folder, inner, names in os.walk(source, onerror=refuse):
        inner[:] = sorted(name for name in inner if not is_leftover(name))
        paths += [Path(folder, name) for name in names if name.endswith(suffixes) and not name.startswith(left_out)]
    for path in paths:
        check_regular(path, what="shard")
    return sorted(paths)


def _split(path: Path, source: Path) -> str | None:
    """Return the split that a file's name, or else the nearest folder's, is a word of."""
    for name in (path.stem, *reversed(path.relative_to(source).parent.parts)):
        splits = {_SPLIT_OF[word] for word in re.split(r"[^a-z]+", name.lower()) if word in _SPLIT_OF}
        if len(splits) == 1:
            return splits.pop()
        if splits:
            raise SemcoError(f"{path}: {name!r} names both {' and '.join(sorted(splits))}: rename it")
    return None


def _check_series(split: str, paths: Sequence[Path], source: Path) -> None:
    """Make sure that a split is one series, complete: two would be two configurations of the dataset, mixed."""
    if len(folders := sorted({str(path.parent.relative_to(source)) for path in paths})) > 1:
        raise SemcoError(
            f"--source {source} holds shards of {split} in several folders ({first_ten(folders)}): name one as --source"
        )
    pieces: dict[tuple[str, int], set[int]] = defaultdict(set)
    for path in paths:
        if match := _PIECE.match(path.stem):
            pieces[match["series"], int(match["count"])].add(int(match["number"]))
    if len(pieces) > 1 or (pieces and sum(map(len, pieces.values())) != len(paths)):
        raise SemcoError(
            f"--source {source} holds more than one series of {split} shards ({first_ten([path.name for path in paths])}): "
            "remove all but one"
        )
    for (series, count), numbers in pieces.items():
        # Not a set of all numbers: the count is whatever a file's name says.
        if len(numbers) != count or max(numbers) >= count:
            absent = next(number for number in range(count + 1) if number not in numbers)
            raise SemcoError(
                f"--source {source} lacks shard {absent} of {series}, which is in {count} (0 to {count - 1}): "
                f"{len(numbers)} of them are there; fetch the others"
            )
