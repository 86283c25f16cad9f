"""TensorBoard events of a run."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from utils.errors import SemcoError

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

LOGGER = logging.getLogger("semco")
# TensorBoard's groups: what training measures belongs under train/, what the evaluation finds under valid/.
_VALID = {"top1", "top5", "top1_emb", "top5_emb", "top1_combined", "valid_loss"}


class EventLog:
    """Writes the epochs' records for TensorBoard.

    A resumed run may have lost the end of its events, or have more of them than its checkpoint. So it writes all of them from
    scratch and removes the older files: TensorBoard's own purging trusts the clock that names them.

    Events are optional: without a working TensorBoard, or on a full disk, one line says that they are missing, and the run goes
    on. They are written in the calling thread: TensorBoard's own writer has a thread that dies with a traceback.

    Args:
        folder: the run folder's subfolder for events; made if it is missing.
        history: records of the epochs that are finished already.

    Raises:
        SemcoError: `folder` is a link or no folder.
    """

    def __init__(self, folder: Path, history: Sequence[Mapping[str, float]]) -> None:
        _check_folder(folder)
        self._folder = folder
        self._file: BinaryIO | None = None
        try:
            # 0.2 seconds of imports that --help does without. A broken installation makes them fail in nearly any way.
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
        except Exception as error:
            LOGGER.warning("TensorBoard cannot be used (%s: %s): no events are written", type(error).__name__, error)
            return
        self._event, self._summary, self._write_records = event_pb2.Event, summary_pb2.Summary, RecordWriter
        self._start(history)

    def send(self, record: Mapping[str, float]) -> None:
        """Write one epoch's record."""
        values = []
        for name, value in record.items():
            if name != "epoch":
                part = "valid" if name in _VALID else "train"
                values.append((f"{part}/{name.removeprefix('valid_')}", value))
        if self._file is not None:
            tagged = [self._summary.Value(tag=tag, simple_value=value) for tag, value in values]
            self._put(self._event(step=int(record["epoch"]), summary=self._summary(value=tagged)))

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # records are flushed, or their failure was reported
                self._file.close()
            self._file = None

    def _start(self, history: Sequence[Mapping[str, float]]) -> None:
        try:
            self._folder.mkdir(exist_ok=True)
            for old in self._folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._file = _new_file(self._folder)
        except OSError as error:
            self._give_up(error)
            return
        self._put(self._event(file_version="brain.Event:2"))
        if history:  # a TensorBoard that shows the older events must forget them
            start = {"status": 1}  # SessionLog.START
            self._put(self._event(step=0, session_log=start))
        for record in history:
            self.send(record)

    def _put(self, event: Event) -> None:
        if self._file is None:
            return
        event.wall_time = time.time()
        try:
            self._write_records(self._file).write(event.SerializeToString())
            self._file.flush()
        except OSError as error:
            # What follows half a record would be unreadable.
            self.close()
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        LOGGER.warning(
            "%s cannot be written (%s): TensorBoard misses the epochs from here on, metrics.jsonl has them; a resumed run "
            "writes all events again",
            self._folder, error.strerror or error,
        )  # fmt: skip


def _new_file(folder: Path) -> BinaryIO:
    """Make a file that was not there before, so that no link can stand in its place."""
    start = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
    for number in itertools.count():
        try:
            return (folder / f"{start}.{number}").open("xb")
        except FileExistsError:
            continue
    raise AssertionError  # the loop has no end


def _check_folder(folder: Path) -> None:
    """Refuse a link: the run folder may come from elsewhere, and the older events are removed."""
    try:
        kind = os.lstat(folder).st_mode
    except OSError:
        return
    if not stat.S_ISDIR(kind):
        what = "a link" if stat.S_ISLNK(kind) else "no folder"
        raise SemcoError(f"{folder} is {what}: expected a folder of TensorBoard events; remove it")
