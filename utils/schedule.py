"""Learning-rate schedule as a pure function of the step."""

import math


def cosine_learning_rate(step: int, *, total_steps: int, base: float) -> float:
    """`base * cos(7 * pi * step / (16 * total_steps))`: the FixMatch schedule (Sohn et al. 2020, section 2.4).

    It falls from `base` to about a fifth of it (cos(7*pi/16) = 0.195) at the last step, never to zero.
    """
    return base * math.cos(7.0 * math.pi * step / (16.0 * total_steps))
