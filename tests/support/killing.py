"""Children that are killed: forks of this process, which has imported everything, so that a start takes a blink."""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

BLINK = 0.01


def start(work: Callable[[], int], *, output: Path) -> int:
    """Do `work` in a fork, whose streams go to the file `output`; returns its process id."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        log = os.open(output, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(child: int, *, until: Callable[[], bool], deadline: float, output: Path) -> bool:
    """Wait for a child; kill it once `until()`. Says whether it was killed.

    Args:
        deadline: when to give up, by `time.perf_counter`.
        output: what the child printed, shown if it fails.
    """
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        late = time.perf_counter() > deadline
        if late or until():
            os.kill(child, signal.SIGKILL)
            ended = os.waitpid(child, 0)
            if late:
                sys.exit("out of time")
            break
        time.sleep(BLINK / 5)
    if ended[1] == signal.SIGKILL:
        return True
    if ended[1]:
        sys.exit(f"a program failed:\n{output.read_text()}")
    return False


class HalfWritten:
    """What is being written below a folder, as `.*.part`, apart from what earlier kills left there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._left = set(folder.rglob(".*.part"))

    def is_there(self) -> bool:
        """True while something is half written, or when its writer was killed."""
        return not self._left.issuperset(self._folder.rglob(".*.part"))


def random_moment(draws: random.Random, *, seconds: float, half_written: HalfWritten) -> Callable[[], bool]:
    """Return what says when to kill: at a random time, or a blink after something has begun to be written from then on.

    Args:
        seconds: how long the work takes when it is left alone.
        half_written: made before the work began.
    """
    when = time.perf_counter() + draws.uniform(0, seconds)
    if draws.random() < 0.5:
        return lambda: time.perf_counter() >= when
    blink = draws.uniform(0, BLINK)

    def amid_a_write() -> bool:
        if time.perf_counter() < when or not half_written.is_there():
            return False
        time.sleep(blink)
        return True

    return amid_a_write
