"""Say whether two run folders hold the same run: every bit of its state and records, but for the times they took."""

import json
from pathlib import Path
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from utils.run.checkpoint import load_checkpoint

TIMES = {"seconds", "images_per_second", "evaluation_seconds"}


def records_without_times(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in TIMES} for line in lines]


def assert_equal_runs(one: Path, two: Path) -> None:
    """Compare summary, label groups, metrics, both checkpoints and TensorBoard's events."""
    for name in ("summary.json", "label_groups.csv"):
        assert (one / name).read_text() == (two / name).read_text(), name
    assert records_without_times(one) == records_without_times(two)
    for name in ("last.pth", "best.pth"):
        assert_same_bits(*(load_checkpoint(folder / name) for folder in (one, two)), name)
    assert _events_without_times(one) == _events_without_times(two)
    assert not list(two.glob(".*.part"))


def assert_same_bits(one: Any, two: Any, name: str) -> None:
    """Compare two contents of checkpoints, at every depth, but for times and flags."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, two), name
    elif isinstance(one, dict):
        assert set(one) == set(two), name
        for key in set(one) - TIMES - {"config"}:  # flags such as --resume differ
            assert_same_bits(one[key], two[key], f"{name}/{key}")
    elif isinstance(one, list):
        assert len(one) == len(two), name
        for place, pair in enumerate(zip(one, two, strict=True)):
            assert_same_bits(*pair, f"{name}/{place}")
    else:
        assert one == two, name


def read_events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard finds in a folder: tag -> (step, value) of each event."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def _events_without_times(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = read_events(folder / "tensorboard")
    return {tag: events for tag, events in found.items() if tag.split("/")[1] not in TIMES}
