"""Start a run as several processes of this machine, one per GPU, and end as they end.

Unlike torchrun it forwards SIGUSR1, keeps the exit code, and reports a user's mistake once and without a traceback.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import NamedTuple

from utils.processes.parent import end_with_parent
from utils.processes.signals import StopRequest
from utils.stopping import Stopped
from utils.streams import lasting_streams

# Seconds that the others have to end by themselves once one has failed, and again after SIGTERM.
_GRACE = 10.0


class Outcome(NamedTuple):
    """How a program ended: its exit code, and the line that it owes the user, if any."""

    exit_code: int
    message: str | None = None


class EndedError(Exception):
    """Another process's failure ends this one too; `outcome` is how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.message or "another process of the run has failed")
        self.outcome = outcome


def launch(run: Callable[[], Outcome], count: int, request: StopRequest) -> Outcome:
    """Call `run` in `count` fresh processes that find each other as torchrun's do; returns the first failure's outcome.

    Args:
        run: picklable; its process ends with the outcome's exit code.
        request: signals that arrive here are forwarded to all processes, which decide when to end.
    """
    fresh = multiprocessing.get_context("spawn")
    port = _free_port()
    pipes = [fresh.Pipe(duplex=False) for _ in range(count)]
    processes = [
        fresh.Process(target=_member, args=(run, rank, count, port, sender)) for rank, (_, sender) in enumerate(pipes)
    ]
    try:
        for process in processes:
            process.start()
        with request.deferred():
            decisive = _wait(processes, request)
            # The processes have ended by the signal, or in spite of it: their outcome is what counts.
            request.number = None
    except Stopped:
        _send(processes, signal.SIGINT)  # the second one, at which they do not finish their step either
        raise
    finally:
        _end(processes)
    outcomes = [receiver.recv() if receiver.poll() else None for receiver, _ in pipes]
    # A mistake explains best why the others failed.
    mistake = next((outcome for outcome in outcomes if outcome and outcome.exit_code == 2), None)
    if outcome := mistake or outcomes[decisive]:
        return outcome
    code = processes[decisive].exitcode
    if code >= 0:
        return Outcome(code)
    name = signal.Signals(-code).name
    return Outcome(128 - code, f"error: process {decisive} was killed by {name}; --resume auto resumes the run")


def _member(run: Callable[[], Outcome], rank: int, count: int, port: int, sender: Connection) -> None:
    """Run one of the processes: what `run` prints must not end it, as little as it would end a single process."""
    if hasattr(os, "setsid"):  # not on Windows
        os.setsid()  # a terminal's Ctrl-C reaches the launcher alone, which forwards it once
    end_with_parent()
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
    place |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    with lasting_streams():
        outcome = run()
    sender.send(outcome)
    sys.exit(outcome.exit_code)


def _wait(processes: Sequence[SpawnProcess], request: StopRequest) -> int:
    """Wait until one has failed, or all are done; forward a signal meanwhile. Returns the rank whose outcome counts."""
    is_forwarded = False
    while True:
        codes = [process.exitcode for process in processes]
        if any(codes) or None not in codes:
            return next((rank for rank, code in enumerate(codes) if code), 0)
        if request.number is not None and not is_forwarded:
            is_forwarded = True
            _send(processes, request.number)
        multiprocessing.connection.wait([process.sentinel for process in processes if process.is_alive()], timeout=0.1)


def _send(processes: Sequence[SpawnProcess], number: int) -> None:
    for process in processes:
        if process.is_alive():
            os.kill(process.pid, number)


def _end(processes: Sequence[SpawnProcess]) -> None:
    """Give the processes time to end by themselves, then end them: one that waits for a lost peer would wait for ever."""
    started = [process for process in processes if process.pid is not None]
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            _send(started, number)
        until = time.monotonic() + _GRACE
        for process in started:
            process.join(max(0.0, until - time.monotonic()))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
