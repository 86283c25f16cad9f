"""Several runs side by side: repetitions are put together, variants are compared pair by pair."""

import itertools
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.errors import SemcoError
from utils.flags.config import Config
from utils.records.methods import backbone, method_name, science_flags, spell_flag
from utils.records.published import PublishedFigure, find_published, read_published
from utils.records.run_files import RunFiles, best_epoch, number, read_run
from utils.results.statistics import PairedDifference, paired_difference

STATISTICS = {
    "last": "last epoch",
    "best": "best epoch, chosen on the validation images",
    "median20": "median of the last 20 epochs",
    "mean20": "mean of the last 20 epochs",
}
METRICS = {
    "top1": "top-1 accuracy of the class head",
    "top1_emb": "top-1 accuracy of the embedding head",
    "top1_combined": "top-1 accuracy of both heads together",
}
_ORDER = ("supervised", "supervised, both heads", "FixMatch", "SemCo")
# What the method and the network are called says these already.
_IN_NAMES = {"lam_u", "lambda_emb", "cotrain", "shuffle_vectors", "model_backbone", "wres_k", "wres_n", "dataset_name"}
_LISTED = 10


@dataclass(frozen=True)
class Variant:
    """Runs that differ by seed and split alone. `values`: percent, one per split and seed; `unfinished`: runs left out."""

    name: str
    dataset: str
    labels: int
    backbone: str
    steps: int
    values: Mapping[tuple[str, int], float]
    unfinished: int

    @property
    def count(self) -> int:
        """Number of finished runs, n."""
        return len(self.values)

    @property
    def mean(self) -> float | None:
        """Mean of the values, None without a finished run."""
        return statistics.mean(self.values.values()) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the runs (n - 1), None for fewer than two."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None

    @property
    def seeds(self) -> list[int]:
        """Seeds of the finished runs."""
        return sorted({seed for _, seed in self.values})


@dataclass(frozen=True)
class Pair:
    """How much higher `first` is than `second`, percentage points, on the splits and seeds that both have."""

    first: str
    second: str
    dataset: str
    labels: int
    difference: PairedDifference


@dataclass(frozen=True)
class Comparison:
    """The result of `compare_runs`. `notes`: what a reader must know before trusting the tables."""

    statistic: str
    metric: str
    variants: tuple[Variant, ...]
    pairs: tuple[Pair, ...]
    published: tuple[PublishedFigure, ...]
    notes: tuple[str, ...]


def compare_runs(
    folders: Sequence[Path],
    *,
    statistic: str = "last",
    metric: str = "top1",
    with_published: bool = False,
    names: Mapping[Path, str] = {},
) -> Comparison:
    """Group runs by all flags but the seed, and by the images that they learnt from and were measured on.

    Args:
        folders: run folders.
        statistic: one of `STATISTICS`.
        metric: one of `METRICS`.
        with_published: add the published figures for the same datasets and numbers of labels.
        names: what to call the variants of these run folders, instead of what their flags say.

    Raises:
        SemcoError: a folder is no run folder, or damaged.
        ValueError: another statistic or metric.
    """
    if statistic not in STATISTICS or metric not in METRICS:
        raise ValueError(f"no statistic {statistic!r} of {metric!r}")
    runs = [read_run(folder) for folder in dict.fromkeys(path.resolve() for path in folders)]
    if not runs:
        raise SemcoError("there is nothing to compare: name at least one run folder")
    notes: list[str] = []
    grouped: dict[str, list[RunFiles]] = {}
    for run in runs:
        grouped.setdefault(_key(run), []).append(run)
    given = {folder.resolve(): name for folder, name in names.items()}
    called = _names([members[0] for members in grouped.values()], given)
    variants = [
        _variant(name, members, statistic=statistic, metric=metric, notes=notes)
        for name, members in zip(called, grouped.values(), strict=True)
    ]
    variants.sort(key=lambda variant: (variant.dataset, variant.labels, _rank(variant.name), variant.name))
    figures = read_published() if with_published else []
    tasks = sorted({(variant.dataset, variant.labels) for variant in variants})
    published = [figure for name, labels in tasks for figure in find_published(figures, dataset=name, labels=labels)]
    notes += _warnings(runs, variants, published, statistic)
    if with_published and not published:
        notes.append("No published figure is on record for these datasets and numbers of labels.")
    return Comparison(statistic, metric, tuple(variants), tuple(_pairs(variants)), tuple(published), tuple(notes))


def value_of(run: RunFiles, statistic: str, metric: str) -> float | None:
    """A run's figure, percent; None where it is not recorded."""
    values = [number(record, metric) for record in run.history]
    known = [value for value in values if value is not None]
    if not known or values[-1] is None:
        return None
    if statistic == "last":
        return known[-1]
    if statistic == "best":
        return number(best_epoch(run), metric)
    return (statistics.median if statistic == "median20" else statistics.mean)(known[-20:])


def _key(run: RunFiles) -> str:
    """What runs must share to be repetitions of each other; the labelled split is theirs alone, as the seed is."""
    facts = {name: run.resolved.get(name) for name in ("labelled_images", "training_set", "validation_split")}
    if not run.flags["valid_fraction"]:  # held-out images differ from split to split
        facts["validation_set"] = run.resolved.get("validation_set")
    return json.dumps([science_flags(run.flags), facts], sort_keys=True, default=str)


def _variant(name: str, members: Sequence[RunFiles], *, statistic: str, metric: str, notes: list[str]) -> Variant:
    values: dict[tuple[str, int], float] = {}
    unfinished, twice = 0, 0
    # Run folders begin with their time: of two runs with the same split and seed the later one counts.
    for run in sorted(members, key=lambda run: run.folder.name):
        value = value_of(run, statistic, metric)
        if not run.is_complete or value is None:
            unfinished += 1
            continue
        place = (str(run.resolved.get("labelled_split")), int(run.flags["seed"]))
        twice += place in values
        values[place] = value
    if unfinished:
        notes.append(f"{name}: {unfinished} of {len(members)} runs unfinished and left out of the mean.")
    if twice:
        notes.append(f"{name}: {twice} runs repeat the split and seed of another; the latest of each counts.")
    shortest = min((len(run.history) for run in members if run.is_complete), default=20)
    if statistic.endswith("20") and shortest < 20:
        notes.append(f"{name}: a run has {shortest} epochs only, so its figure is over fewer than 20.")
    first = members[0]
    steps = max((int(run.history[-1].get("step", 0)) for run in members if run.history), default=0)
    labels = int(first.resolved.get("labelled_images") or 0)
    return Variant(name, first.flags["dataset_name"], labels, backbone(first.flags), steps, values, unfinished)


def _names(runs: Sequence[RunFiles], given: Mapping[Path, str]) -> list[str]:
    """Name every variant as given, or by its method and the flags that set it apart from others of the same method.

    What is left to the program, as it is by default, goes without saying.
    """
    plain = [method_name(run.flags) for run in runs]
    unsaid = {flag for flag, value in Config().as_json().items() if value is None}
    names = []
    for run, name in zip(runs, plain, strict=True):
        same = [
            science_flags(other.flags)
            for other, other_name in zip(runs, plain, strict=True)
            if other_name == name and _task(other) == _task(run)
        ]
        flags = science_flags(run.flags)
        apart = [
            spell_flag(flag, value)
            for flag, value in flags.items()
            if flag not in _IN_NAMES
            and not (value is None and flag in unsaid)
            and any(other.get(flag) != value for other in same)
        ]
        names.append(given.get(run.folder) or " ".join([name, *apart]))
    # What only their data or networks tell apart is numbered, so that every name is one variant's.
    keys = [(*_task(run), backbone(run.flags)) for run in runs]
    named = list(zip(names, keys, strict=True))
    return [
        name if named.count(one) == 1 else f"{name} ({named[: place + 1].count(one)})"
        for place, one in enumerate(named)
        for name in (one[0],)
    ]


def _task(run: RunFiles) -> tuple[str, int]:
    return run.flags["dataset_name"], int(run.resolved.get("labelled_images") or 0)


def _rank(name: str) -> int:
    """Baselines before the method, the method before its ablations."""
    starts = [place for place, start in enumerate(_ORDER) if name.startswith(start)]
    return 2 * max(starts, default=len(_ORDER)) + (", with" in name)


def _pairs(variants: Sequence[Variant]) -> list[Pair]:
    """Compare every two variants of a task that share a split and seed; the later one of the table minus the earlier."""
    found = []
    for second, first in itertools.combinations(variants, 2):
        shared = sorted(first.values.keys() & second.values.keys())
        if (first.dataset, first.labels) == (second.dataset, second.labels) and shared:
            difference = paired_difference([first.values[place] - second.values[place] for place in shared])
            found.append(Pair(first.name, second.name, first.dataset, first.labels, difference))
    return found


def _warnings(
    runs: Sequence[RunFiles], variants: Sequence[Variant], published: Sequence[PublishedFigure], statistic: str
) -> list[str]:
    """Say what makes the rows of the table unlike each other."""
    notes = []
    for dataset, labels in sorted({(variant.dataset, variant.labels) for variant in variants}):
        task = [variant for variant in variants if (variant.dataset, variant.labels) == (dataset, labels)]
        theirs = find_published(list(published), dataset=dataset, labels=labels)
        where = f"{dataset} with {labels} labels"
        networks = {variant.backbone for variant in task} | {figure.backbone or "not stated" for figure in theirs}
        if len(networks) > 1:
            notes.append(f"{where}: networks differ ({_list(sorted(networks))}), and accuracy with them.")
        lengths = {variant.steps for variant in task if variant.count}
        if len(lengths) > 1:
            notes.append(f"{where}: lengths differ ({_list([f'{steps:,}' for steps in sorted(lengths)])} steps).")
        others = {figure.statistic for figure in theirs} - {statistic}
        if others:
            notes.append(
                f"{where}: published figures are of other statistics ({_list(sorted(others))}) than these runs' ({statistic})."
            )
        measured = {run.resolved.get("validation_set") for run in runs if _task(run) == (dataset, labels)}
        if len(measured) > 1:
            notes.append(f"{where}: the runs were not all measured on the same images.")
    if statistic == "best":
        notes.append("The best epoch is chosen on the images that it is measured on, which flatters every run.")
    return notes


def _list(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more
