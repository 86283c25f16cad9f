"""The checkpoints of a run folder: the newest that is whole, and whether its contents make sense."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.errors import SemcoError
from utils.metrics import ACCURACIES
from utils.run.checkpoint import LAST, PREVIOUS, DamagedError, load_checkpoint

LOGGER = logging.getLogger("semco")
_CONTENT = {
    "config": dict, "seed": int, "fingerprints": dict, "epoch": int, "steps": int, "best_epoch": int, "history": list,
    "number_format": str, "model": dict, "ema": dict, "optimizer": dict,
}  # fmt: skip
_RECORDED = ("epoch", "loss", "valid_loss", *ACCURACIES)


def newest_of(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Peek into a run folder's newest readable checkpoint; None where there is none."""
    paths = [path for path in (folder / LAST, folder / PREVIOUS) if path.exists()]
    try:
        return read_first(paths) if paths else None
    except SemcoError as error:
        LOGGER.warning("%s", error)
        return None


def fallbacks(path: Path) -> list[Path]:
    """The checkpoint itself, and the one that may stand in for it."""
    before = path.with_name(PREVIOUS)
    return [path, before] if path.name == LAST and before.exists() else [path]


def read_first(paths: Sequence[Path], *, mapped: bool = True) -> tuple[Path, dict[str, Any]]:
    """Read the first of `paths` that is not damaged; warn of those that are."""
    for path in paths[:-1]:
        try:
            return path, _load(path, mapped=mapped)
        except SemcoError as error:
            LOGGER.warning("%s; trying the one before it", error)
    return paths[-1], _load(paths[-1], mapped=mapped)


def _load(path: Path, *, mapped: bool) -> dict[str, Any]:
    content = load_checkpoint(path, mapped=mapped)
    if wrong := [name for name, kind in _CONTENT.items() if not isinstance(content.get(name), kind)]:
        raise DamagedError(f"checkpoint {path} lacks what a run needs to go on ({', '.join(wrong)}): use another one")
    if not _is_consistent(content):
        raise DamagedError(f"checkpoint {path} has records that do not fit its epoch: use another one")
    return content


def _is_consistent(content: dict[str, Any]) -> bool:
    rows, epoch = content["history"], content["epoch"]
    return (
        all(
            isinstance(row, dict) and all(isinstance(row.get(name), (int, float)) for name in _RECORDED) for row in rows
        )
        and [row["epoch"] for row in rows] == list(range(1, epoch + 1))
        and content["best_epoch"] in (range(1, epoch + 1) if epoch else (-1,))
        and isinstance(content["config"].get("n_epoches"), int)
    )
