"""Length and pace of a run: epochs, steps, learning rate, when to stop early."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """What a run's flags say about its length and pace.

    `total_steps`: steps of the whole learning-rate schedule, T; `last_epoch`: epochs that the run trains at most, which
    --break-epoch may make fewer than the schedule has; `lr`: learning rate of the first step.
    """

    steps_per_epoch: int
    total_steps: int
    last_epoch: int
    lr: float
    early_stopping_epochs: int
    min_wait_before_es: int
    es_metric: str

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of step `step` of the run, counted from 0."""
        return cosine_learning_rate(step, total_steps=self.total_steps, base=self.lr)


def cosine_learning_rate(step: int, *, total_steps: int, base: float) -> float:
    """Return `base * cos(7 * pi * step / (16 * total_steps))`: the FixMatch schedule (Sohn et al. 2020, section 2.4).

    It falls from `base` to about a fifth of it (cos(7*pi/16) = 0.195) at the last step, never to zero.
    """
    return base * math.cos(7.0 * math.pi * step / (16.0 * total_steps))
