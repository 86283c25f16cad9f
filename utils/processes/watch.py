"""Notice within seconds that another process of the run has failed, has fallen silent, or is out of reach; then end too.

A collective operation waits for all processes, deaf to everything. So a thread beside it tells the others that this process
lives, and looks what they tell. It has a connection to the store of its own: the main thread's may be waiting in a call.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch.distributed as dist

from utils.processes.meeting import BEAT, HOST, others_store
from utils.processes.place import Place

# Seconds between two looks, and how many looks without a sign of life mean that a process is lost. Looks are counted, not
# time: a job that is suspended and continued finds nobody silent.
_BEAT_SECONDS = 1.0
_SILENT_BEATS = 60
_PAUSE = 0.05
# Seconds in which a process may end by itself after another one has failed, or was asked to stop and may be saving.
_GRACE, _GRACE_TO_SAVE = 5.0, 60.0
_FAILURE, _LEFT = "failure", b"left"


@dataclass(frozen=True)
class Failure:
    """What ended the run: whose failure it was, how that process ended, and in which words."""

    rank: int
    exit_code: int
    line: str
    console: str = ""
    """Where `line` is printed already; nowhere yet if empty."""


class Watch:
    """Keeps this process's sign of life in the store, and watches for failures of the others.

    `failure` is the first one that this process has heard of; `is_cut_off` says that the store is out of reach.

    Args:
        place: this process's place.
        round_name: what the keys of this start begin with.
        tell: prints a line for the user, if this process is the one to do so.
    """

    def __init__(self, place: Place, round_name: str, *, tell: Callable[[Failure], None]) -> None:
        self.failure: Failure | None = None
        self.is_cut_off = False
        self._place, self._tell = place, tell
        self._store = dist.PrefixStore(round_name, others_store(place))
        self._left, self._leaving, self._looks_alone = threading.Event(), threading.Lock(), 0
        self._seen: dict[int, bytes] = {}
        self._silent = dict.fromkeys(range(place.size) if place.rank == 0 else [0], 0)
        self._silent.pop(place.rank, None)
        for work in (self._talk, self._guard):
            threading.Thread(target=work, daemon=True, name=f"watch {work.__name__}").start()

    def publish(self, failure: Failure) -> Failure:
        """Tell all processes what ended the run; returns the first such failure, which may be another one's.

        Raises:
            RuntimeError: the store is out of reach.
        """
        text = json.dumps(asdict(failure))
        return Failure(**json.loads(self._store.compare_set(_FAILURE, "", text)))

    def is_first_on(self, console: str) -> bool:
        """Return True to the first process that asks for this console.

        Raises:
            RuntimeError: the store is out of reach.
        """
        return self._store.add(f"told/{console}", 1) == 1

    def host(self, rank: int) -> str:
        """Return the name of a process's machine.

        Raises:
            RuntimeError: the store is out of reach.
        """
        return self._store.get(f"{HOST}/{rank}").decode()

    def leave(self) -> None:
        """End the watch: from here on, nobody misses this process.

        Raises:
            RuntimeError: the store is out of reach.
        """
        with self._leaving:
            self._left.set()
            self._store.set(f"{BEAT}/{self._place.rank}", _LEFT)

    def wait_until_all_left(self) -> None:
        """Keep the store alive until the others need it no longer, but no longer than they may take.

        Raises:
            RuntimeError: the store is out of reach.
        """
        keys = [f"{BEAT}/{rank}" for rank in range(self._place.size)]
        until = time.monotonic() + _SILENT_BEATS * _BEAT_SECONDS
        while any(beat != _LEFT for beat in self._store.multi_get(keys)) and time.monotonic() < until:
            if self._store.check([_FAILURE]):  # from now on they take no longer than to hear of it
                until = min(until, time.monotonic() + _GRACE + 2 * _BEAT_SECONDS)
            time.sleep(_PAUSE)

    def _talk(self) -> None:
        """Give signs of life and look for those of others, until this process leaves or another one has failed."""
        beats = 0
        while not self._left.wait(_BEAT_SECONDS):
            try:
                beats += 1
                with self._leaving:
                    if not self._left.is_set():
                        self._store.set(f"{BEAT}/{self._place.rank}", str(beats))
                if self._store.check([_FAILURE]):
                    self._end(Failure(**json.loads(self._store.get(_FAILURE))))
                    return
                if (lost := self._lost()) is not None:
                    self._end(
                        self.publish(self._failure(lost, f"process {lost} on {self.host(lost)} {_not_heard_of()}"))
                    )
                    return
                self._looks_alone = 0
            except RuntimeError:  # torch's error for a store that has ended
                if self._left.is_set():
                    return
                self.is_cut_off = True
                # A torchrun that has ended asks its processes to save, and they the others.
                self._end(
                    self._failure(0, f"the process that kept the run's store at {self._place.address} has ended"),
                    is_stop=self._place.has_agent_store,
                )
                return

    def _guard(self) -> None:
        """End this process when the store is out of reach: a cut connection looks like a slow answer, for ever."""
        while not self._left.wait(_BEAT_SECONDS):
            self._looks_alone += 1
            if self._looks_alone > _SILENT_BEATS and self.failure is None:
                self.is_cut_off = True
                self._end(self._failure(0, f"the main process at {self._place.address} {_not_heard_of()}"))
                return

    def _lost(self) -> int | None:
        """Return a process that has not given a sign of life for too long; the main process looks at all, they at it."""
        ranks = list(self._silent)
        for rank, beat in zip(ranks, self._store.multi_get([f"{BEAT}/{rank}" for rank in ranks]), strict=True):
            is_quiet = beat != _LEFT and beat == self._seen.get(rank)
            self._silent[rank] = self._silent[rank] + 1 if is_quiet else 0
            self._seen[rank] = beat
        return next((rank for rank, looks in self._silent.items() if looks > _SILENT_BEATS), None)

    def _failure(self, rank: int, line: str) -> Failure:
        return Failure(rank=rank, exit_code=1, line=f"error: {line}; --resume auto resumes the run")

    def _end(self, failure: Failure, *, is_stop: bool = False) -> None:
        """Let the main thread end by itself, which it cannot while it waits for a lost process; then end it."""
        self.failure = failure
        if self._left.wait(_GRACE_TO_SAVE if is_stop or failure.exit_code > 128 else _GRACE):
            return
        self._tell(failure)
        if not self.is_cut_off:
            with contextlib.suppress(RuntimeError):
                self.leave()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(failure.exit_code)


def _not_heard_of() -> str:
    return f"has not been heard of for {_SILENT_BEATS * _BEAT_SECONDS:g} s: is its machine up, and within reach?"
