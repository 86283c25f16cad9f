"""How far a run has come, and when it has come far enough."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Schedule:
    """Length and pace: epochs, steps, learning rate, when to stop early."""

    steps_per_epoch: int
    total_steps: int
    last_epoch: int
    lr: float
    early_stopping_epochs: int
    min_wait_before_es: int
    es_metric: str


@dataclass
class Progressed:
    """How far a run has come: finished epochs, their records, which of them is best, and the unfinished epoch.

    `steps`, `images`, `seconds`: what the unfinished epoch has trained, on how many images, for how long.
    """

    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = -1
    steps: int = 0
    images: int = 0
    seconds: float = 0.0

    @property
    def best(self) -> dict[str, Any] | None:
        """The best epoch's record."""
        return next((record for record in self.history if record["epoch"] == self.best_epoch), None)

    def finish_epoch(self, record: dict[str, Any], *, is_best: bool) -> None:
        """Count the unfinished epoch as finished."""
        self.epoch, self.steps, self.images, self.seconds = record["epoch"], 0, 0, 0.0
        self.history.append(record)
        if is_best:
            self.best_epoch = self.epoch

    def is_complete(self, schedule: Schedule) -> bool:
        """True at the last epoch, and when the best one lies too far back; epochs before `min_wait_before_es` don't count."""
        counted_from = max(self.best_epoch, schedule.min_wait_before_es, 0)
        patience = schedule.early_stopping_epochs
        return self.epoch >= schedule.last_epoch or (bool(patience) and self.epoch - counted_from >= patience)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        return asdict(self)
