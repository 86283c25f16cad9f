"""Check splits against a dataset folder: unknown images, counts, equal files in different pools."""

import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loaders.dataset.index import DatasetIndex, has_test_part, load_index
from loaders.dataset.split import Split, split_faults
from utils.errors import SemcoError
from utils.files.regular import open_regular
from utils.progress import Progress

_SHOWN = 10
_CHUNK = 1 << 20


@dataclass(frozen=True)
class SplitReport:
    """What was found.

    `problems`: what makes the splits unfit for this dataset; `counts`: for each pool the number of images per class, None
    for those without; `duplicates`: groups of images, `<part>/<id>`, whose files are equal although their pools differ.
    """

    problems: list[str]
    counts: dict[str, Counter[str | None]]
    duplicates: list[list[str]]


def check_splits(folder: Path, labelled: Split, validation: Split | None = None, *, progress: Progress) -> SplitReport:
    """Compare a labelled split, and the validation split that goes with it, with each other and with the dataset.

    Raises:
        SemcoError: the dataset folder itself cannot be used, or `labelled` names images of test/.
    """
    if labelled.part != "train":
        raise SemcoError(f"{labelled.path} names images of test/: give the labelled split first, then its validation")
    splits = [labelled] if validation is None else [labelled, validation]
    parts = ["train", "test"] if has_test_part(folder) else ["train"]
    indices = {part: load_index(folder, part) for part in parts}
    problems = [text for split in splits for text in _mistakes(split, indices.get(split.part))]
    pools = _pools(labelled, validation, indices)
    if validation is not None and (both := sorted(pools["labelled"].keys() & pools["validation"].keys())):
        problems.append(f"{_some(both)} labelled and in the validation split")
    if absent := sorted(set(indices["train"].class_names) - set(labelled.classes.values())):
        more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
        problems.append(f"no labelled image of {len(absent)} classes: {', '.join(map(repr, absent[:_SHOWN]))}{more}")
    return SplitReport(
        problems=problems,
        counts={name: Counter(pool.values()) for name, pool in pools.items()},
        duplicates=_duplicates(folder, pools, progress),
    )


def format_report(report: SplitReport) -> str:
    """Lay the report out: a line per pool, then duplicates, then problems."""
    lines = []
    for name, counts in report.counts.items():
        known = sorted(count for label, count in counts.items() if label is not None)
        spread = f", {len(known)} classes, {known[0]} to {known[-1]} images per class" if known else ""
        without = f", {counts[None]} without a class" if counts[None] else ""
        lines.append(f"{name}: {counts.total()} images{spread}{without}")
    lines.append(f"equal files in different pools: {len(report.duplicates) or 'none'}")
    lines += [f"  {_equal(group)}" for group in report.duplicates[:_SHOWN]]
    if len(report.duplicates) > _SHOWN:
        lines.append(f"  and {len(report.duplicates) - _SHOWN} more groups")
    lines.append(f"problems: {len(report.problems) or 'none'}")
    lines += [f"  {text}" for text in report.problems]
    return "\n".join(lines)


def _equal(group: Sequence[str]) -> str:
    more = f" and {len(group) - _SHOWN} more" if len(group) > _SHOWN else ""
    return " = ".join(group[:_SHOWN]) + more


def _mistakes(split: Split, index: DatasetIndex | None) -> Iterator[str]:
    if index is None:
        yield f"{split.path}: the dataset has no {split.part}/"
        return
    for names, fault in split_faults(split, index):
        yield f"{split.path}: {_some(names)} {fault}"


def _pools(
    labelled: Split, validation: Split | None, indices: Mapping[str, DatasetIndex]
) -> dict[str, dict[str, str | None]]:
    """Divide the dataset: pool -> `<part>/<id>` -> class. Images that the dataset lacks are in no pool."""
    there = {f"{part}/{name}": label for part, index in indices.items() for name, label in index.classes.items()}
    pools: dict[str, dict[str, str | None]] = {"labelled": _named(labelled, there)}
    if validation is not None:
        pools["validation"] = _named(validation, there)
    taken = set().union(*pools.values())
    pools["unlabelled"] = {name: there[name] for name in there if name.startswith("train/") and name not in taken}
    pools["test"] = {name: there[name] for name in there if name.startswith("test/") and name not in taken}
    return {name: pool for name, pool in pools.items() if pool or name in ("labelled", "validation")}


def _named(split: Split, there: Mapping[str, str | None]) -> dict[str, str | None]:
    named = {f"{split.part}/{name}": class_name for name, class_name in split.classes.items()}
    return {name: class_name for name, class_name in named.items() if name in there}


def _duplicates(folder: Path, pools: Mapping[str, Mapping[str, str | None]], progress: Progress) -> list[list[str]]:
    """Find images with equal files in different pools; only files of equal size are read."""
    homes: dict[str, set[str]] = defaultdict(set)
    for pool, names in pools.items():
        for name in names:
            homes[name].add(pool)
    sizes: dict[int, list[str]] = defaultdict(list)
    for name in homes:
        sizes[(folder / name).stat().st_size].append(name)
    suspects = [names for names in sizes.values() if len(names) > 1]
    equal: dict[bytes, list[str]] = defaultdict(list)
    with progress.bar(total=sum(map(len, suspects)), what="comparing files", unit="images") as bar:
        for name in itertools.chain.from_iterable(suspects):
            equal[_digest(folder / name)].append(name)
            bar.update(1)
    groups = (sorted(names) for names in equal.values() if len(set().union(*(homes[name] for name in names))) > 1)
    return sorted(names for names in groups if len(names) > 1)


def _digest(path: Path) -> bytes:
    total = hashlib.sha256()
    try:
        with open_regular(path, follow_links=True) as file:
            while chunk := file.read(_CHUNK):
                total.update(chunk)
    except OSError as error:
        raise SemcoError(f"image {path} cannot be read ({error.strerror or error}): check its permissions") from error
    return total.digest()


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    what = "1 image" if len(names) == 1 else f"{len(names)} images"
    return f"{what} ({', '.join(names[:_SHOWN])}{more})"
