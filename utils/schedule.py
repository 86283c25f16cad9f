"""Length and pace of a run: epochs, steps, learning rate, when to stop early."""

import math
from dataclasses import dataclass

_PAPERS_EMA_ALPHA, _PAPERS_BN_MOMENTUM = 0.999, 0.001
# torch's own default, which no run is too short for.
_LARGEST_BN_MOMENTUM = 0.1


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


def auto_ema_alpha(total_steps: int) -> float:
    """Return `min(0.999, 1 - 10 / T)`: an average over the last tenth of the run, and over no more than 1,000 steps.

    0.99 at 1,000 steps, 0.9975 at 4,000, and the paper's 0.999 from 10,000 steps on.
    """
    return max(0.0, min(_PAPERS_EMA_ALPHA, 1 - 10 / total_steps))


def auto_bn_momentum(total_steps: int) -> float:
    """Return `50 / T` within 0.001 and 0.1: running statistics of the last fiftieth of the run.

    0.05 at 1,000 steps, 0.0125 at 4,000, and the paper's 0.001 from 50,000 steps on.
    """
    return min(_LARGEST_BN_MOMENTUM, max(_PAPERS_BN_MOMENTUM, 50 / total_steps))
