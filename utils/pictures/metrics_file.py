"""A run's metrics.jsonl, as it is drawn."""

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

from utils.errors import SemcoError
from utils.files.regular import open_regular

_LARGEST = 1e300
_REPAIR = "take the line out, or draw another run"
_ADVICE = "name a run folder in which at least one epoch is finished"


def read_metrics(run_folder: Path, drawn: Collection[str]) -> list[dict[str, Any]]:
    """Read one record per epoch.

    Args:
        drawn: keys whose values, where there are any, have to be numbers.

    Raises:
        SemcoError: the folder holds no metrics, or a line of them is damaged; the message names the line.
    """
    path = run_folder / "metrics.jsonl"
    try:
        with open_regular(path, "r", follow_links=True, encoding="utf-8") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SemcoError(f"{path} does not exist: {_ADVICE}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SemcoError(f"{path} cannot be read ({error}): {_ADVICE}") from error
    records = [_read_record(line, f"{path}, line {number}", drawn) for number, line in _lines(text)]
    if not records:
        raise SemcoError(f"{path} is empty: {_ADVICE}")
    return records


def _lines(text: str) -> list[tuple[int, str]]:
    return [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _read_record(line: str, where: str, drawn: Collection[str]) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SemcoError(f"{where}, is not JSON ({error}): {_REPAIR}") from error
    if not isinstance(record, dict) or not _is_number(epoch := record.get("epoch")) or not math.isfinite(epoch):
        raise SemcoError(f"{where}, is not the record of an epoch: {_REPAIR}")
    for name in drawn:
        if record.get(name) is not None and not _is_number(record[name]):
            raise SemcoError(f"{where}: {name} is not a number: {_REPAIR}")
    return record


def _is_number(value: object) -> bool:
    # JSON's whole numbers have no limit, those of a picture do.
    return isinstance(value, float) or (type(value) is int and abs(value) < _LARGEST)
