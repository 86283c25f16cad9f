"""Signals that end a program."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

Receiver = Callable[[int, FrameType | None], None]


def existing_signals(*names: str) -> tuple[signal.Signals, ...]:
    """Return those of the named signals that this system knows."""
    return tuple(signal.Signals[name] for name in names if name in signal.Signals.__members__)


class Stopped(BaseException):
    """A signal ended the program; its exit code is 128 + the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextlib.contextmanager
def receiving(numbers: tuple[signal.Signals, ...], receiver: Receiver) -> Iterator[None]:
    """Call `receiver` for these signals inside the block, and restore the former handlers afterwards.

    Signals that are ignored stay ignored, as nohup and a shell's background jobs want it. Outside the main thread, which alone
    may set handlers, nothing changes.
    """
    former = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: set by something that is not Python
                former[number] = signal.signal(number, receiver)
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class StopAtOnce:
    """Raises `Stopped` at the first signal; further ones must not disturb the cleaning up."""

    def __init__(self) -> None:
        self._has_raised = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Receive a signal."""
        if not self._has_raised:
            self._has_raised = True
            raise Stopped(number)
