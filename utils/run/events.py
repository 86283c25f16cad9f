"""TensorBoard events of a run."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.files.atomic import write_error

# TensorBoard's groups: what is measured on the way belongs under train/, what the evaluation finds under valid/.
_VALID = {"top1", "top5", "top1_emb", "top5_emb", "top1_combined", "valid_loss"}


class EventLog:
    """Writes the epochs' records for TensorBoard.

    A run that goes on may have lost the end of its events, or have more of them than its checkpoint. So it writes them all
    anew, and the older files go: TensorBoard's own purging trusts the clock that names them.

    Args:
        history: records of the epochs that are finished already.

    Raises:
        SemcoError: the folder cannot be written.
    """

    def __init__(self, folder: Path, history: Sequence[dict[str, Any]]) -> None:
        from torch.utils.tensorboard import SummaryWriter  # a second of imports that --help does without

        self._folder = folder
        try:
            for old in folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = SummaryWriter(str(folder), purge_step=0 if history else None)
        except OSError as error:
            raise write_error(folder, error) from error
        for record in history:
            self.send(record)

    def send(self, record: dict[str, Any]) -> None:
        """Write one epoch's record.

        Raises:
            SemcoError: the folder cannot be written.
        """
        try:
            for name, value in record.items():
                if name != "epoch":
                    part = "valid" if name in _VALID else "train"
                    self._writer.add_scalar(f"{part}/{name.removeprefix('valid_')}", value, record["epoch"])
            self._writer.flush()
        except OSError as error:
            raise write_error(self._folder, error) from error

    def close(self) -> None:
        """End the file."""
        with contextlib.suppress(OSError):  # every record has been flushed, or its failure has been told
            self._writer.close()
