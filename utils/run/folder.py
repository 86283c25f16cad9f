"""The run folder: configuration, label groups, metrics, log, TensorBoard events, checkpoints, pictures."""

import contextlib
import datetime
import functools
import json
import logging
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from utils.errors import SemcoError
from utils.files.atomic import write_error, write_text
from utils.files.lock import FolderLock
from utils.flags.config import Config
from utils.labels.semantics import LabelSemantics
from utils.labels.table import write_label_groups
from utils.metrics import format_loss, summarise
from utils.results.prediction_file import write_predictions
from utils.results.predictions import Predictions
from utils.results.pseudo_labels import PoolGuesses, count_per_class
from utils.run.checkpoint import BEST, LAST, PREVIOUS, save_checkpoint
from utils.run.environment import environment
from utils.run.events import EventLog
from utils.run.log import RunLog
from utils.run.resume import InterruptedRun

LOGGER = logging.getLogger("semco")
Method = TypeVar("Method", bound=Callable[..., None])


def _in_writer(method: Method) -> Method:
    """Make a method do nothing in processes that do not write."""

    @functools.wraps(method)
    def guarded(self: "RunFolder", *arguments: Any, **named: Any) -> None:
        if self._writes:
            method(self, *arguments, **named)

    return guarded  # type: ignore[return-value]


class RunFolder:
    """A run's folder and its records; every file but the log and the events appears complete or not at all.

    Args:
        identity: what every checkpoint says of the run that wrote it, see `Resume.identity`.
        num_labelled: number of labelled images, part of the folder's name.
        writes: False in all but one of several processes, for which every method does nothing.
        interrupted: the run that is resumed, in its own folder; None makes a new one.

    Raises:
        SemcoError: the folder cannot be made or written, or another run is at work in it.
    """

    def __init__(
        self,
        config: Config,
        *,
        identity: Mapping[str, Any],
        num_labelled: int,
        writes: bool = True,
        interrupted: InterruptedRun | None = None,
    ) -> None:
        self._writes, self._identity = writes, identity
        if not writes:
            return
        history = interrupted.content["history"] if interrupted else []
        if interrupted:
            self.path, self._lock = interrupted.folder, interrupted.lock
        else:
            self.path = create_run_folder(
                config.output_dir, dataset=config.dataset_name, num_labelled=num_labelled, seed=config.seed
            )
            self._lock = FolderLock(self.path)
        try:
            self._log = RunLog(self.path / "train.log")
        except OSError as error:
            raise write_error(self.path / "train.log", error) from error
        self._write_metrics(history)
        self._events = EventLog(self.path / "tensorboard", history)
        LOGGER.info("run folder: %s", self.path)

    @_in_writer
    def write_config(self, config: Config, *, resolved: dict[str, Any]) -> None:
        """Write config.json: command, flags, what was decided from them, versions and machine."""
        command = shlex.join(["python", *sys.argv])
        content = {"command": command, "flags": config.as_json(), "resolved": resolved, "environment": environment()}
        self._write("config.json", json.dumps(content, indent=2) + "\n")

    @_in_writer
    def write_labels(self, semantics: LabelSemantics) -> None:
        """Write label_groups.csv."""
        self._check()
        write_label_groups(self.path / "label_groups.csv", semantics)

    @_in_writer
    def write_epoch(self, state: dict[str, Any], *, is_best: bool) -> None:
        """Record the newest epoch of `state["history"]` and save the state: last.pth and, if it is the best, best.pth."""
        history = state["history"]
        LOGGER.info("%s", format_epoch(history[-1]))
        # In this order a run that is killed in between is resumed before the epoch's end, and writes all of it again.
        if is_best:
            self._check()
            save_checkpoint(self.path / BEST, {**self._identity, **state})
        self.save(state)
        self._write_metrics(history)
        self._events.send(history[-1])

    @_in_writer
    def write_guesses(self, guesses: PoolGuesses, class_names: Sequence[str]) -> None:
        """Write pool_per_class.json: how often the newest pseudo-labels name each class, and how often rightly."""
        self._write("pool_per_class.json", json.dumps(count_per_class(guesses, class_names=class_names)) + "\n")

    @_in_writer
    def save(self, state: dict[str, Any]) -> None:
        """Save the state as last.pth, and what was last.pth as previous.pth."""
        self._check()
        save_checkpoint(self.path / LAST, {**self._identity, **state}, keep_as=self.path / PREVIOUS)

    @_in_writer
    def write_summary(self, history: list[dict[str, Any]], best_epoch: int) -> None:
        """Write summary.json: last epoch, best epoch, median of the last 20."""
        self._write("summary.json", json.dumps(summarise(history, best_epoch), indent=2) + "\n")

    @_in_writer
    def write_evaluation(self, predictions: Predictions, semantics: LabelSemantics) -> None:
        """Write evaluation.json and predictions.parquet: the finished run on every validation image."""
        from utils.results.evaluation import evaluate_fully  # scikit-learn takes a second to import

        names = [match.label for match in semantics.matches]
        evaluation = evaluate_fully(predictions, names, semantics.grouping.ids)
        self._write("evaluation.json", json.dumps(evaluation) + "\n")
        write_predictions(self.path / "predictions.parquet", predictions, names, semantics.grouping.ids)

    @_in_writer
    def write_pool(self, predictions: Predictions, semantics: LabelSemantics) -> None:
        """Write pool.parquet: the same table for a sample of the unlabelled pool."""
        names = [match.label for match in semantics.matches]
        write_predictions(self.path / "pool.parquet", predictions, names, semantics.grouping.ids)

    def last_checkpoint(self) -> str:
        """Say in words where the newest checkpoint is."""
        if not self._writes:
            return "the main process names the last checkpoint"
        there = next((self.path / name for name in (LAST, PREVIOUS) if (self.path / name).exists()), None)
        return f"the last good checkpoint is {there}" if there else "there is no checkpoint yet"

    @_in_writer
    def draw_pictures(self, semantics: LabelSemantics) -> None:
        """Draw the learning curves and the label groups."""
        with self._luxury("pictures", "utils.pictures"):
            from utils.pictures.label_map import plot_label_groups
            from utils.pictures.learning_curves import plot_learning_curves

            pictures = [plot_learning_curves(self.path), plot_label_groups(self.path, semantics)]
            LOGGER.info("pictures: %s", ", ".join(str(path) for path in pictures))

    @_in_writer
    def write_report(self) -> None:
        """Write report.html, which explains the run."""
        with self._luxury("report", "utils.results report"):
            from utils.results.report import write_report

            LOGGER.info("report: %s", write_report(self.path))

    @contextlib.contextmanager
    def _luxury(self, what: str, command: str) -> Iterator[None]:
        """Do what a finished run can do without: whatever goes wrong in it is a warning, and the run stays finished."""
        try:
            yield
        except Exception as error:
            LOGGER.warning(
                "no %s (%s: %s); the run is finished, and python -m %s %s makes up for it",
                what, type(error).__name__, error, command, self.path,
            )  # fmt: skip

    def _write_metrics(self, history: list[dict[str, Any]]) -> None:
        self._write("metrics.jsonl", "".join(json.dumps(record) + "\n" for record in history))

    def _write(self, name: str, text: str) -> None:
        self._check()
        write_text(self.path / name, text)

    def _check(self) -> None:
        """Refuse to make a folder again that has vanished: there may be anything under a lost mount."""
        if not self.path.is_dir():
            raise SemcoError(
                f"the run folder {self.path} has vanished: bring its disk back and --resume, or start a new run"
            )

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if self._writes:
            self._events.close()
            self._log.close(error)
            self._lock.release()


def format_epoch(record: dict[str, Any]) -> str:
    """Format an epoch as one line for the screen."""
    embedding = (
        f", embedding {record['top1_emb']:5.2f}%, both {record['top1_combined']:5.2f}%" if "top1_emb" in record else ""
    )
    return (
        f"epoch {record['epoch']:>4}  loss {format_loss(record['loss']):>7}  "
        f"confident: class {record['mask_rate']:6.1%}, embedding {record['emb_mask_rate']:6.1%}  "
        f"top-1: class {record['top1']:5.2f}%{embedding}  "
        f"{record['images_per_second']:,.0f} images/s, {record['seconds']:.1f} s"
    )


def check_output_folder(output_dir: Path) -> None:
    """Check, before hours of preparation, that run folders can be made in `output_dir`.

    Raises:
        SemcoError: it cannot be written, or is no folder.
    """
    path = output_dir.absolute()
    existing = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
    if not existing.is_dir():
        kind = "is a file, not a folder" if existing.exists() else "is a link that leads nowhere"
        raise SemcoError(f"--output-dir {output_dir}: {existing} {kind}; choose another one")
    try:
        # Permissions do not tell everything: nothing can be made in /proc, for example.
        Path(tempfile.mkdtemp(prefix=".semco-", dir=existing)).rmdir()
    except OSError as error:
        raise SemcoError(f"--output-dir {output_dir}: {existing} may not be written; choose another folder") from error


def create_run_folder(output_dir: Path, *, dataset: str, num_labelled: int, seed: int) -> Path:
    """Make `<output>/<dataset>/x<labels>/<time>-seed<seed>`, with a number behind it if that is taken.

    Raises:
        SemcoError: the folder cannot be made or written.
    """
    parent = output_dir / dataset / f"x{num_labelled}"
    name = f"{datetime.datetime.now():%Y%m%d-%H%M%S}-seed{seed}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 1000):
            path = parent / (name if attempt == 1 else f"{name}-{attempt}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            if not os.access(path, os.W_OK):
                raise PermissionError(13, "permission denied")
            return path
    except OSError as error:
        raise write_error(parent, error) from error
    raise RuntimeError(f"a thousand runs in {parent} within a second")
