"""The processes of one run from their meeting to their end: who they are, and that they end together, told once."""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

import torch.distributed as dist

from utils.errors import as_mistake
from utils.processes.launch import EndedError, Outcome
from utils.processes.meeting import meet
from utils.processes.parent import follow_parent
from utils.processes.place import Place
from utils.processes.watch import Failure, Watch
from utils.stopping import Stopped

# Seconds between two looks at the store. Python hears of signals only between calls into torch.
_PAUSE = 0.05
# Seconds in which the process that failed first prints why: torchrun kills all as soon as it sees one that has ended.
_TIME_TO_TELL = 2.0
# Seconds in which the cause of a broken connection gets about, before the broken connection itself counts as the cause.
_TIME_TO_HEAR = 3.0
# Seconds that a process whose connections are broken may take to end.
_TIME_TO_END = 20.0


class Siblings:
    """The processes of a run, which have met. On leaving, a failure of this process is told to the others.

    Whatever ends one process ends all of them, and one of them says why: the first that failed, and under torchrun one more
    on every other machine.
    """

    def __init__(self, place: Place) -> None:
        if place.starter == "torchrun":
            follow_parent()
        self.place = place
        self.store, round_name = meet(place)
        self._watch = Watch(place, round_name, tell=self._tell_last)
        self._has_concluded = False

    def __enter__(self) -> "Siblings":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the watch; after a failure, tell the others, or hear what theirs was.

        Raises:
            EndedError: another process's failure is the one that counts.
        """
        if error is None or isinstance(error, SystemExit):
            self._leave()
            return
        threading.Thread(target=self._end_at_last, args=(error,), daemon=True, name="end").start()
        try:
            outcome = self._conclude(error)
        except Stopped as stopped:  # torchrun ends all once it sees that one has ended
            outcome = Outcome(stopped.exit_code)
        self._has_concluded = True
        if outcome is not None:
            raise EndedError(outcome) from error

    def _conclude(self, error: BaseException) -> Outcome | None:
        """Tell the others of an error, or hear of theirs; return how to end, None where the error itself says it best."""
        is_lost = is_lost_connection(error)
        try:
            decisive = self._decisive_failure(error)
            is_own = decisive.rank == self.place.rank and bool(decisive.console)
            message = decisive.line if is_own else self._line_for_own_console(decisive)
        except RuntimeError:  # the store is out of reach too
            decisive, is_own = self._unreachable(error), not is_lost
            message = decisive.line if self._speaks_without_store() else None
            if isinstance(error, Stopped) and message is None:
                return Outcome(error.exit_code)
        self._leave()
        if is_own and not is_lost:
            return None
        if message is None:
            time.sleep(_TIME_TO_TELL)
        return Outcome(decisive.exit_code, message)

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait without being deaf to signals and to failures of other processes, however long it takes.

        Raises:
            LostConnectionError: another process has failed, or the store is out of reach.
        """
        while not is_so():
            if self._watch.failure is not None:
                raise LostConnectionError(self._watch.failure.line)
            time.sleep(_PAUSE)

    def _decisive_failure(self, error: BaseException) -> Failure:
        """Return what ended the run: this process's error, unless another one failed first.

        Raises:
            RuntimeError: the store is out of reach.
        """
        if is_lost_connection(error):
            # The connection broke because another process failed; it, or whoever misses it, will say so.
            until = time.monotonic() + _TIME_TO_HEAR
            while self._watch.failure is None and time.monotonic() < until:
                time.sleep(_PAUSE)
        if self._watch.failure is not None:
            return self._watch.failure
        own = Failure(self.place.rank, _exit_code(error), self._words(error), self.place.console)
        return self._watch.publish(own)

    def _words(self, error: BaseException) -> str:
        if isinstance(error, Stopped):
            return f"stopped by {error}"
        if mistake := as_mistake(error):
            return f"error: {mistake}"
        first_line = next(iter(str(error).splitlines()), "")
        if is_lost_connection(error):
            return (
                f"error: process {self.place.rank} on {socket.gethostname()} lost its connection to another one ({first_line}); "
                "if none says why, it was killed or hangs; --resume auto resumes the run"
            )
        return f"error: {type(error).__name__}: {first_line}"

    def _line_for_own_console(self, failure: Failure) -> str | None:
        """Return a line about another process's failure, if this process is the one to print it for its readers.

        Raises:
            RuntimeError: the store is out of reach.
        """
        if self.place.starter == "launcher":
            # The launcher prints one of them; a bug's own process has printed its traceback.
            return None if failure.exit_code == 1 and failure.console else failure.line
        if self._watch.is_cut_off:
            raise LostConnectionError("the store is out of reach")
        if failure.console == self.place.console or not self._watch.is_first_on(self.place.console):
            return None
        where = f" (process {failure.rank} on {self._watch.host(failure.rank)})" if failure.console else ""
        return failure.line + where

    def _unreachable(self, error: BaseException) -> Failure:
        return self._watch.failure or Failure(self.place.rank, _exit_code(error), self._words(error))

    def _speaks_without_store(self) -> bool:
        """Return True in one process of each machine; the second one speaks for a main process that kept the store."""
        place = self.place
        speaks_for_main = place.rank == 1 and not place.has_agent_store
        return place.starter == "launcher" or place.local_rank == 0 or speaks_for_main

    def _tell_last(self, failure: Failure) -> None:
        """Print a line for the main thread, which hangs."""
        try:
            line = self._line_for_own_console(failure)
        except RuntimeError:
            line = failure.line if self._speaks_without_store() else None
        if line:
            print(line, file=sys.stderr, flush=True)

    def _end_at_last(self, error: BaseException) -> None:
        """End a process that fails to end: what torch tidies up, and a store out of reach, may be waited for in vain."""
        time.sleep(_TIME_TO_END)
        if not self._has_concluded:
            print(self._words(error), file=sys.stderr, flush=True)
        os._exit(_exit_code(error))

    def _leave(self) -> None:
        if self._watch.is_cut_off:
            return
        try:
            self._watch.leave()
            if self.place.hosts_store:
                self._watch.wait_until_all_left()
        except RuntimeError:  # the store has ended before
            pass


class LostConnectionError(RuntimeError):
    """Another process of the run has ended, or is out of reach."""


def is_lost_connection(error: BaseException) -> bool:
    """Return True for an error of communication between the processes, which another one's end has caused, or its silence."""
    if isinstance(error, LostConnectionError | dist.DistError):
        return True
    words = ("gloo", "by peer", "Timed out waiting", "NCCL", "Socket Timeout")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def _exit_code(error: BaseException) -> int:
    if isinstance(error, Stopped):
        return error.exit_code
    return 2 if as_mistake(error) else 1
