"""What a run's data are, as a table for people."""

import math
from collections.abc import Iterator

import numpy as np

from loaders.pixels.store import PixelStore
from loaders.training_data import Selection, TrainingData
from utils.errors import first_ten
from utils.flags.config import Config


def format_data(config: Config, selection: Selection, data: TrainingData) -> str:
    """Format dataset, split and pixels, one line each, with a warning if classes have no labelled image."""
    rows = list(_rows(config, selection, data))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}  {text}" for name, text in rows)


def _rows(config: Config, selection: Selection, data: TrainingData) -> Iterator[tuple[str, str]]:
    names, pool, statistics = selection.class_names, data.pool, data.statistics
    labelled, valid = (
        np.bincount(labels.numpy(), minlength=len(names)) for labels in (pool.labels, data.validation_labels)
    )
    split = selection.split
    unused = "" if config.unlabelled_batch else ", not used with --lam-u 0"
    mean, std = (", ".join(f"{value:.3f}" for value in values) for values in (statistics.mean, statistics.std))
    yield "dataset", f"{config.dataset_name} in {selection.train.folder.parent}, {len(names)} classes"
    yield "labelled", f"{_count(labelled)}; {split.path}, fingerprint {split.fingerprint()[:16]}"
    yield "unlabelled", f"{len(pool.unlabelled):,} images{unused}"
    yield "validation", f"{_count(valid)}; {selection.validation.source}"
    if isinstance(pool.store, PixelStore):
        yield "pixels", f"{pool.store.num_bytes / 2**20:,.0f} MiB; width x height {_sizes(pool.store)}"
    yield "normalisation", f"mean {mean}; std {std}; {statistics.source}"
    if absent := [name for name, count in zip(names, labelled, strict=True) if not count]:
        yield "warning", f"no labelled image of {len(absent)} classes: {first_ten(absent)}"


def _count(of_class: np.ndarray) -> str:
    return f"{of_class.sum():,} images, {of_class.min()} to {of_class.max()} per class"


def _sizes(store: PixelStore) -> str:
    """Format the sizes of the smallest and the largest image; those that cannot be decoded have no pixels."""
    sizes = [size for size in zip(store.widths.tolist(), store.heights.tolist(), strict=True) if all(size)]
    low, high = (f"{width} x {height}" for width, height in (min(sizes, key=math.prod), max(sizes, key=math.prod)))
    return low if low == high else f"{low} to {high}"
