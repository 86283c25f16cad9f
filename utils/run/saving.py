"""What a run does between two steps besides training: save when it is time, stop when a signal asks for it."""

import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar

import torch

from utils.processes.signals import StopRequest
from utils.processes.world import STEPS_BETWEEN_AGREEMENTS, World
from utils.run.folder import RunFolder
from utils.stopping import Stopped

LOGGER = logging.getLogger("semco")
Batch = TypeVar("Batch")


class Progressing(Protocol):
    """How far a run has come: finished epochs, and steps of the unfinished one."""

    epoch: int
    steps: int


class Trains(Protocol):
    """What is saved: a trainer, which knows how far it is and what a checkpoint must hold."""

    @property
    def history(self) -> Progressing:
        """How far it is."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""


class Saving:
    """Saves a run's state between its steps and batches, by wrapping the iterators that hand them out.

    Args:
        folder: where the state is saved.
        trainer: whose state it is.
        minutes: between two checkpoints within an epoch; 0: only when asked to stop.
        request: the signals that have come.
        world: the processes that must stop after the same step.
    """

    def __init__(
        self, *, folder: RunFolder, trainer: Trains, minutes: float, request: StopRequest, world: World
    ) -> None:
        self._folder, self._trainer, self._request, self._world = folder, trainer, request, world
        self._seconds = 60 * minutes
        self._note_saved()

    def between_steps(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass training batches on. When the next one is asked for, the step of the last is done and its state intact.

        Raises:
            Stopped: a signal has come; the state is saved.
        """
        for batch in batches:
            yield batch
            if self._world.size == 1 or self._place()[1] % STEPS_BETWEEN_AGREEMENTS == 0:
                self._save_or_stop()

    def between_batches(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Pass evaluation batches on; the state is intact all along.

        Raises:
            Stopped: a signal has come; the state is saved.
        """
        for batch in batches:
            yield batch
            # Several processes evaluate different numbers of batches, so they could not agree here.
            if self._world.size == 1:
                self._save_or_stop()

    def finish_epoch(self, *, is_best: bool) -> None:
        """Record the finished epoch in the run folder and save the state.

        Raises:
            Stopped: a signal has come; the state is saved.
        """
        self._folder.write_epoch(self._trainer.state_dict(), is_best=is_best)
        self._note_saved()
        self._save_or_stop()

    def _save_or_stop(self) -> None:
        number = self._agree()
        if number or (self._seconds and time.perf_counter() >= self._due):
            if self._place() != self._saved_at:
                self._folder.save(self._trainer.state_dict())
            self._note_saved()
        if number:
            # Whoever ended now might have the main process ended, which still writes.
            self._world.after_main("stop at {}, {}".format(*self._place()))
            LOGGER.info("saved after %d epochs and %d steps; --resume auto resumes from there", *self._saved_at)
            raise Stopped(number)

    def _place(self) -> tuple[int, int]:
        return self._trainer.history.epoch, self._trainer.history.steps

    def _note_saved(self) -> None:
        self._saved_at = self._place()
        self._due = time.perf_counter() + self._seconds

    def _agree(self) -> int:
        """Return the signal that any process has received, the same one in all; 0 without one."""
        number = self._request.number or 0
        if self._world.size == 1:
            return number
        numbers = torch.zeros(self._world.size, device=self._world.device)
        numbers[self._world.rank] = number
        return int(self._world.sum(numbers).max())
