"""Signals that end a run: at once while it prepares, after the step while it trains."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

from utils.stopping import Stopped, existing_signals, receiving

_SIGNALS = existing_signals("SIGTERM", "SIGINT", "SIGUSR1", "SIGHUP")


class StopRequest:
    """Receives SIGTERM, SIGINT, SIGUSR1 and SIGHUP while it is entered, and restores the former handlers afterwards.

    A signal raises `Stopped` wherever the program is, except inside `deferred`, where it is noted in `number` for the
    program to look at when it suits. A second SIGINT raises at once even there.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._defers = False
        self._received = contextlib.ExitStack()

    def __enter__(self) -> "StopRequest":
        self._received.enter_context(receiving(_SIGNALS, self._receive))
        return self

    def __exit__(self, *_: object) -> None:
        self._received.close()

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Let signals wait until the program asks for them, or until the block ends."""
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
