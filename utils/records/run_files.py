"""What a run folder says, read once and checked."""

import csv
import io
import json
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import SemcoError
from utils.files.tables import read_text
from utils.flags.config import Config


@dataclass(frozen=True)
class LabelRow:
    """A line of label_groups.csv: a class, the term that gives it its vector, the rule that found it, its group."""

    name: str
    term: str
    rule: str
    group: str


@dataclass(frozen=True)
class RunFiles:
    """The small files of a run folder.

    `flags`: every flag, those that the run's program did not know yet with their defaults; `resolved`: what was decided
    from them; `history`: one record per epoch; `summary`, `evaluation`: None where the run did not get that far;
    `pool`: per class, what the newest pseudo-labels were (pool_per_class.json).
    """

    folder: Path
    flags: Mapping[str, Any]
    resolved: Mapping[str, Any]
    environment: Mapping[str, Any]
    command: str | None
    history: tuple[Mapping[str, Any], ...]
    summary: Mapping[str, Any] | None
    evaluation: Mapping[str, Any] | None
    labels: tuple[LabelRow, ...]
    pool: tuple[Mapping[str, Any], ...]

    @property
    def is_complete(self) -> bool:
        """True once the run has written its summary, which is the last thing that it does with its numbers."""
        return self.summary is not None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The flags with the numbers that the run found in the place of `auto`."""
        found = {
            name: self.resolved[name] for name, value in self.flags.items() if value is None and name in self.resolved
        }
        return {**self.flags, **found}

    @property
    def name(self) -> str:
        """The folder as people know it: dataset, labels, time and seed."""
        return "/".join(self.folder.resolve().parts[-3:])


def is_run_folder(folder: Path) -> bool:
    """True for a folder that a run has written its configuration into."""
    return (folder / "config.json").is_file()


def read_run(folder: Path) -> RunFiles:
    """Read a run folder.

    Raises:
        SemcoError: it is no run folder, or one of its files is damaged.
    """
    if not is_run_folder(folder):
        found = "holds no config.json" if folder.is_dir() else "is no folder" if folder.exists() else "does not exist"
        raise SemcoError(f"{folder} {found}: name a run folder, such as runs/DATASET/x40/TIME-seed123")
    config = _read_object(folder / "config.json")
    parts = {name: config.get(name) or {} for name in ("flags", "resolved", "environment")}
    for name, content in parts.items():
        if not isinstance(content, dict):
            raise SemcoError(f"{folder / 'config.json'}: expected an object under {name!r}; restore the file")
    command = config.get("command")
    return RunFiles(
        folder=folder,
        flags={**Config().as_json(), **parts["flags"]},
        resolved=parts["resolved"],
        environment=parts["environment"],
        command=shlex.join(map(str, command)) if isinstance(command, list) else command,
        history=_read_history(folder / "metrics.jsonl"),
        summary=_read_optional(folder / "summary.json"),
        evaluation=_read_optional(folder / "evaluation.json"),
        labels=_read_labels(folder / "label_groups.csv"),
        pool=_read_pool(folder / "pool_per_class.json"),
    )


def find_runs(path: Path) -> list[Path]:
    """The run folder itself, or all run folders below a folder, sorted by path.

    Raises:
        SemcoError: there is none.
    """
    if is_run_folder(path):
        return [path]
    found = sorted(config.parent for config in path.rglob("config.json")) if path.is_dir() else []
    if not found:
        where = "holds no run folder" if path.is_dir() else "is no folder" if path.exists() else "does not exist"
        raise SemcoError(
            f"{path} {where}: name run folders, such as runs/DATASET/x40/TIME-seed123, or a folder of them"
        )
    return found


def best_epoch(run: RunFiles) -> Mapping[str, Any]:
    """The epoch that the run kept as its best: the first with the highest top-1, or with the lowest validation loss."""
    name, sign = ("valid_loss", -1) if run.flags["es_metric"] == "loss" else ("top1", 1)

    def goodness(record: Mapping[str, Any]) -> float:
        value = number(record, name)
        return -math.inf if value is None else sign * value

    return max(run.history, key=goodness)


def number(record: Mapping[str, Any] | None, name: str) -> float | None:
    """The finite number under `name`, None if there is none."""
    value = None if record is None else record.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise SemcoError(f"{path} is no JSON ({error}): restore it, or name another run") from error


def _read_object(path: Path) -> dict[str, Any]:
    content = _read_json(path)
    if not isinstance(content, dict):
        raise SemcoError(f"{path}: expected a JSON object, found {type(content).__name__}; restore it")
    return content


def _read_optional(path: Path) -> dict[str, Any] | None:
    return _read_object(path) if path.exists() else None


def _read_history(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.exists():
        return ()
    history = []
    for line_number, line in enumerate(read_text(path).splitlines(), start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise SemcoError(f"{path}, line {line_number} is no JSON ({error}): restore it or take it out") from error
        if not isinstance(record, dict) or not isinstance(record.get("epoch"), int):
            raise SemcoError(f"{path}, line {line_number}: expected an object with an epoch; restore it or take it out")
        history.append(record)
    return tuple(history)


def _read_labels(path: Path) -> tuple[LabelRow, ...]:
    if not path.exists():
        return ()
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path), newline="")))
        return tuple(
            LabelRow(_as_written(row["class"]), _as_written(row["term"]), row["rule"], row["group"]) for row in rows
        )
    except (csv.Error, KeyError, TypeError) as error:
        raise SemcoError(f"{path} is no table of class, term, rule, group ({error}): restore it") from error


def _as_written(cell: str) -> str:
    """Take off the apostrophe that keeps spreadsheets from reading a name as a formula."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in tuple("=+-@") else cell


def _read_pool(path: Path) -> tuple[dict[str, Any], ...]:
    if not path.exists():
        return ()
    rows = _read_json(path)
    wanted = {"class", "images", *(f"{head}_{what}" for head in ("class", "emb") for what in ("confident", "right"))}
    if not isinstance(rows, list) or not all(isinstance(row, dict) and wanted <= row.keys() for row in rows):
        raise SemcoError(f"{path}: expected a list with {', '.join(sorted(wanted))} of each class; restore it")
    return tuple(rows)
