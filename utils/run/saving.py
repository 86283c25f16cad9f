"""What a run does between two steps besides training: save when it is time, leave when a signal asks for it."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch

from utils.processes.signals import Stopped, StopRequest
from utils.processes.world import World

LOGGER = logging.getLogger("semco")
Item = TypeVar("Item")
# Several processes must leave after the same step, and agreeing on it makes them wait for each other. What is saved there also
# holds the figures of all: the trainer adds them up as often.
_STEPS_BETWEEN_AGREEMENTS = 20


class SafePoints:
    """Called wherever the state of a run is whole.

    Args:
        place: tells where the run is, (epoch, steps in it).
        save: keeps the state.
        minutes: between two savings; 0: only when asked to leave.
    """

    def __init__(
        self,
        *,
        place: Callable[[], tuple[int, int]],
        save: Callable[[], None],
        minutes: float,
        request: StopRequest,
        world: World,
    ) -> None:
        self._place, self._save, self._request, self._world = place, save, request, world
        self._seconds = 60 * minutes
        self.saved()

    def saved(self) -> None:
        """Take note that the state has just been kept."""
        self._saved_at = self._place()
        self._due = time.perf_counter() + self._seconds

    def __call__(self) -> None:
        """Save if it is time; save and raise `Stopped` if a signal has come."""
        if self._world.size > 1 and self._place()[1] % _STEPS_BETWEEN_AGREEMENTS:
            return
        number = self._agree()
        if number or (self._seconds and time.perf_counter() >= self._due):
            if self._place() != self._saved_at:
                self._save()
            self.saved()
        if number:
            LOGGER.info("saved after %d epochs and %d steps; --resume auto goes on from there", *self._saved_at)
            raise Stopped(number)

    def watch(self, items: Iterable[Item]) -> Iterator[Item]:
        """Pass on what an evaluation goes through, with a safe point after each item."""
        for item in items:
            yield item
            # Processes go through different numbers of items, so they could not agree here.
            if self._world.size == 1:
                self()

    def _agree(self) -> int:
        """The signal that any process has received, the same answer in all; 0 without one."""
        number = self._request.number or 0
        if self._world.size == 1:
            return number
        numbers = torch.zeros(self._world.size, device=self._world.device)
        numbers[self._world.rank] = number
        return int(self._world.sum(numbers).max())
