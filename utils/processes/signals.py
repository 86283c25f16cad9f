"""Signals that end a run: at once while it prepares, after the step while it trains."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Stopped(BaseException):
    """A signal ended the program; its exit code is 128 + the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class StopRequest:
    """Takes SIGTERM, SIGINT and SIGUSR1 while it is entered, and puts the former handlers back afterwards.

    A signal raises `Stopped` wherever the program is, except inside `deferred`, where it is noted in `number` for the
    program to look at when it suits. A second SIGINT raises at once even there.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._defers = False
        self._former: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # nohup and a shell's background jobs have signals ignored, and so they stay.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._former[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """A block in which signals wait until the program asks for them, or until the block ends."""
        self._defers = True
        try:
            yield
        finally:
            self._defers = False
        if self.number is not None:
            raise Stopped(self.number)

    def _receive(self, number: int, _: FrameType | None) -> None:
        first = self.number is None
        self.number = self.number or number
        if (first and not self._defers) or (not first and number == signal.SIGINT):
            raise Stopped(self.number)
