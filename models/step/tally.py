"""The figures of the steps, summed on the device, and which steps were not finite."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from models.losses import LossParts
from utils.errors import SemcoError

_STATE = ("sums", "step", "broken", "first_broken", "first_broken_parts")


class NotFiniteError(SemcoError):
    """The loss, or the weights that a step left behind, are no longer finite numbers."""


class Tally:
    """Sums over the steps of an epoch. Its tensors never move; only reading them synchronises with the device.

    Args:
        most_broken: broken steps (those with anything that is not finite) of a run that `read` tolerates.
        reduce: adds a tensor up over all processes, which are `world_size`.
    """

    def __init__(
        self, device: torch.device, *, most_broken: int, reduce: Callable[[Tensor], Tensor], world_size: int
    ) -> None:
        self._most_broken, self._reduce, self._world_size = most_broken, reduce, world_size
        size = len(LossParts._fields)
        self.sums = torch.zeros(size + 1, device=device)  # the loss parts, and the number of steps in them
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        self.broken = torch.zeros((), device=device)
        self.first_broken = torch.full((), -1, dtype=torch.int64, device=device)
        self.first_broken_parts = torch.zeros(size, device=device)
        self._one = torch.ones((), device=device)

    def begin(self, step: int) -> None:
        """Begin an epoch, whose first step is `step` of the run."""
        self.sums.zero_()
        self.step.fill_(step)

    def add(self, parts: LossParts, broken: Tensor) -> None:
        """Add a step: its loss, and whether it is broken, 0-d bool. This does not synchronise with the device."""
        values = torch.stack([*(part.detach().float() for part in parts), self._one])
        self.sums.add_(values.masked_fill(broken, 0))
        first = broken & (self.first_broken < 0)
        torch.where(first, self.step, self.first_broken, out=self.first_broken)
        torch.where(first, values[:-1], self.first_broken_parts, out=self.first_broken_parts)
        self.broken += broken
        self.step += 1

    def read(self) -> tuple[dict[str, float], int]:
        """Return the means over the epoch's unbroken steps, and the number of those; this synchronises with the device.

        Raises:
            NotFiniteError: more steps are broken than the run may have, or all of the epoch's.
        """
        sums = self._reduce(torch.cat([self.sums, self.broken[None]]))
        # A checkpoint holds one process's sums: from here on they are the mean of all processes'.
        self.sums.copy_(sums[:-1] / self._world_size)
        *totals, counted, broken = sums.tolist()
        # A loss may break in one process alone; what is skipped, all skip together.
        broken = math.ceil(broken / self._world_size)
        if broken > self._most_broken or not counted:
            raise NotFiniteError(self._complaint(broken))
        means = (sums[: len(totals)] / counted).tolist()
        return dict(zip(LossParts._fields, means, strict=True)), round(counted / self._world_size)

    def check(self) -> None:
        """Raise as `read` does, but from this process's own steps alone.

        Raises:
            NotFiniteError: more steps are broken than the run may have.
        """
        if (broken := int(self.broken)) > self._most_broken:
            raise NotFiniteError(self._complaint(broken))

    def _complaint(self, broken: int) -> str:
        if (step := int(self.first_broken)) < 0:
            where = "in another process"
        else:
            values = zip(LossParts._fields, self.first_broken_parts.tolist(), strict=True)
            where = f"at step {step} (" + ", ".join(f"{name} {value:.4g}" for name, value in values) + ")"
        if not self._most_broken:
            return f"the loss is no longer finite {where}: lower --lr, pass --no-amp, or skip such steps with --on-nan skip"
        if broken <= self._most_broken:
            return f"no step of the epoch was finite, the first of them {where}: lower --lr, or pass --no-amp"
        return (
            f"{broken} steps were not finite and were skipped, the first of them {where}; --nan-limit allows "
            f"{self._most_broken}: lower --lr, or pass --no-amp"
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Return what a checkpoint must hold."""
        return {name: getattr(self, name) for name in _STATE}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Load what a checkpoint held."""
        for name in _STATE:
            getattr(self, name).copy_(state[name])
