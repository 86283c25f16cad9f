"""The run folder: configuration, label groups, metrics, log, TensorBoard events, checkpoints, pictures."""

import contextlib
import datetime
import functools
import json
import logging
import logging.handlers
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from utils.atomic import write_error, write_text
from utils.checkpoint import save_checkpoint
from utils.config import Config
from utils.environment import environment
from utils.errors import SemcoError
from utils.label_semantics import LabelSemantics, write_label_groups
from utils.metrics import summarise

LOGGER = logging.getLogger("semco")
Method = TypeVar("Method", bound=Callable[..., None])
# TensorBoard's groups: what is measured on the way belongs under train/, what the evaluation finds under valid/.
_VALID = {"top1", "top5", "top1_emb", "top5_emb", "top1_combined", "valid_loss"}


def _in_writer(method: Method) -> Method:
    """Make a method do nothing in processes that do not write."""

    @functools.wraps(method)
    def guarded(self: "RunDir", *arguments: Any, **named: Any) -> None:
        if self._writes:
            method(self, *arguments, **named)

    return guarded  # type: ignore[return-value]


class RunDir:
    """A run's folder and its records; every file but the log and the events appears whole or not at all.

    Args:
        num_labelled: number of labelled images, part of the folder's name.
        writes: false in all but one of several processes, for which every method does nothing.
    """

    def __init__(self, config: Config, *, num_labelled: int, writes: bool = True) -> None:
        self._writes = writes
        if not writes:
            return
        from torch.utils.tensorboard import SummaryWriter  # a second of imports that --help does without

        self.path = create_run_folder(
            config.output_dir, dataset=config.dataset_name, num_labelled=num_labelled, seed=config.seed
        )
        self._log = logging.FileHandler(self.path / "train.log", encoding="utf-8")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        for handler in _waiting():
            handler.setTarget(self._log)
            handler.flush()
        self._events = SummaryWriter(str(self.path / "tensorboard"))
        LOGGER.info("run folder: %s", self.path)

    @_in_writer
    def write_config(self, config: Config, *, resolved: dict[str, Any]) -> None:
        """Write config.json: the flags, what was decided from them, versions and machine."""
        content = {"flags": config.as_json(), "resolved": resolved, "environment": environment()}
        write_text(self.path / "config.json", json.dumps(content, indent=2) + "\n")

    @_in_writer
    def write_labels(self, semantics: LabelSemantics) -> None:
        """Write label_groups.csv."""
        write_label_groups(self.path / "label_groups.csv", semantics)

    @_in_writer
    def write_epoch(self, state: dict[str, Any], *, is_best: bool) -> None:
        """Record the newest epoch of `state["history"]` and keep the state: last.pth and, if it is the best, best.pth."""
        history = state["history"]
        LOGGER.info("%s", format_epoch(history[-1]))
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(record) + "\n" for record in history))
        self._send_events(history[-1])
        save_checkpoint(self.path / "last.pth", state)
        if is_best:
            save_checkpoint(self.path / "best.pth", state)

    @_in_writer
    def write_summary(self, history: list[dict[str, Any]], best_epoch: int) -> None:
        """Write summary.json: last epoch, best epoch, median of the last 20."""
        write_text(self.path / "summary.json", json.dumps(summarise(history, best_epoch), indent=2) + "\n")

    @_in_writer
    def draw_pictures(self, semantics: LabelSemantics) -> None:
        """Draw the learning curves and the label groups."""
        from utils.plots import plot_label_groups, plot_learning_curves

        pictures = [plot_learning_curves(self.path), plot_label_groups(self.path, semantics)]
        LOGGER.info("pictures: %s", ", ".join(str(path) for path in pictures))

    def _send_events(self, record: dict[str, Any]) -> None:
        for name, value in record.items():
            if name != "epoch":
                part = "valid" if name in _VALID else "train"
                self._events.add_scalar(f"{part}/{name.removeprefix('valid_')}", value, record["epoch"])
        self._events.flush()

    def __enter__(self) -> "RunDir":
        return self

    def __exit__(self, kind, error, traceback) -> None:
        if not self._writes:
            return
        if error is not None:
            record = LOGGER.makeRecord(LOGGER.name, logging.ERROR, "", 0, "%s: %s", (kind.__name__, error), None)
            self._log.handle(record)
        for handler in _waiting():
            handler.setTarget(None)
        self._events.close()
        self._log.close()


def format_epoch(record: dict[str, Any]) -> str:
    """One line on an epoch for the screen."""
    return (
        f"epoch {record['epoch']:>4}  loss {record['loss']:7.4f}  "
        f"confident: class {record['mask_rate']:6.1%}, embedding {record['emb_mask_rate']:6.1%}  "
        f"top-1: class {record['top1']:5.2f}%, embedding {record['top1_emb']:5.2f}%, both {record['top1_combined']:5.2f}%  "
        f"{record['images_per_second']:,.0f} images/s, {record['seconds']:.1f} s"
    )


def _waiting() -> list[logging.handlers.MemoryHandler]:
    return [handler for handler in LOGGER.handlers if isinstance(handler, logging.handlers.MemoryHandler)]


def check_output_folder(output_dir: Path) -> None:
    """Find out before hours of preparation whether run folders can be made in `output_dir`.

    Raises:
        SemcoError: it cannot be written, or is no folder.
    """
    path = output_dir.absolute()
    existing = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
    if not existing.is_dir():
        kind = "is a file, not a folder" if existing.exists() else "is a link that leads nowhere"
        raise SemcoError(f"--output-dir {output_dir}: {existing} {kind}; choose another one")
    try:
        # Rights do not tell everything: nothing can be made in /proc, for example.
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


@contextlib.contextmanager
def logging_for(*, talks: bool) -> Iterator[None]:
    """Show messages on stdout and warnings on stderr, if this process talks at all; keep them for train.log."""
    handlers: list[logging.Handler] = [logging.NullHandler()]
    if talks:
        screen, alarm = logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)
        screen.addFilter(lambda record: record.levelno < logging.WARNING)
        alarm.setLevel(logging.WARNING)
        alarm.setFormatter(logging.Formatter("warning: %(message)s"))
        # What is said before the run folder exists waits here for it.
        handlers = [screen, alarm, logging.handlers.MemoryHandler(capacity=1, flushLevel=logging.DEBUG)]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    for handler in handlers:
        LOGGER.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()
