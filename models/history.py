"""How far a run has come, and when it has come far enough."""

from dataclasses import dataclass, field
from typing import Any

from utils.metrics import is_better
from utils.schedule import Schedule

# A checkpoint calls the records `history`.
_STORED_AS = {
    "epoch": "epoch", "records": "history", "best_epoch": "best_epoch", "steps": "steps", "images": "images",
    "seconds": "seconds",
}  # fmt: skip


@dataclass
class History:
    """Finished epochs, their records, which of them is the best, and the unfinished epoch.

    `records`: one dict per finished epoch, the lines of metrics.jsonl; `best_epoch`: -1 before the first; `steps`, `images`,
    `seconds`: how many steps of the unfinished epoch are trained, on how many images, in how much time.
    """

    epoch: int = 0
    records: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    steps: int = 0
    images: int = 0
    seconds: float = 0.0

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> "History":
        """Build the history that `state_dict` was called on."""
        return cls(**{name: state[stored] for name, stored in _STORED_AS.items()})

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return {stored: getattr(self, name) for name, stored in _STORED_AS.items()}

    @property
    def best(self) -> dict[str, Any] | None:
        """The best epoch's record; None before the first epoch is finished."""
        return next((record for record in self.records if record["epoch"] == self.best_epoch), None)

    @property
    def is_best(self) -> bool:
        """True when the newest finished epoch is the best so far."""
        return self.epoch == self.best_epoch

    def finish_epoch(self, record: dict[str, Any], *, es_metric: str) -> None:
        """Count the unfinished epoch as finished, and as the best if it beats the others by `es_metric`."""
        beats_others = is_better(record, self.best, es_metric)
        self.epoch, self.steps, self.images, self.seconds = record["epoch"], 0, 0, 0.0
        self.records.append(record)
        if beats_others:
            self.best_epoch = self.epoch

    def is_complete(self, schedule: Schedule) -> bool:
        """Return True at the last epoch, or when the best one is too long ago; `min_wait_before_es` epochs don't count."""
        counted_from = max(self.best_epoch, schedule.min_wait_before_es, 0)
        patience = schedule.early_stopping_epochs
        return self.epoch >= schedule.last_epoch or (bool(patience) and self.epoch - counted_from >= patience)
