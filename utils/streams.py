"""Standard streams that never end a program: closed ones, broken pipes, full disks and alphabets that lack a character."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TextIO


@contextlib.contextmanager
def lasting_streams() -> Iterator[None]:
    """Let stdout and stderr outlive whatever happens to them.

    What a program prints must not decide whether it reaches its end. Inside this block a stream that cannot be written falls
    silent; if it is stdout, stderr says so once. Characters that a stream's encoding lacks are escaped.
    """
    _fill_closed_handles()
    before = sys.stdout, sys.stderr
    sys.stderr = _LastingStream(before[1])
    sys.stdout = _LastingStream(before[0], complains="stdout")
    try:
        yield
    finally:
        # What waits in a buffer fails here, not while the interpreter shuts down.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


class _LastingStream:
    """A text stream in front of another one, which may be missing or may break.

    Args:
        stream: the stream to write to, None when it was closed before the program started.
        complains: its name in the one warning on stderr when it breaks; without a name it breaks silently.
    """

    def __init__(self, stream: TextIO | None, *, complains: str | None = None) -> None:
        self._stream: TextIO = stream if stream is not None else io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        self._is_lost = stream is None
        self._complains = complains
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        """Write `text`, or drop it if the stream is lost."""
        if not self._is_lost:
            try:
                self._stream.write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Hand over what was written, or drop it if the stream is lost."""
        if not self._is_lost:
            try:
                self._stream.flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self._is_lost = True
        # The stream still buffers what it could not write, and would try again at the interpreter's end.
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), self._stream.fileno())
        if self._complains:
            print(
                f"warning: {self._complains} cannot be written ({error.strerror or error}): the program goes on without it",
                file=sys.stderr,
            )

    def isatty(self) -> bool:
        """Say whether somebody watches."""
        return not self._is_lost and self._stream.isatty()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _fill_closed_handles() -> None:
    """Open /dev/null on whichever of the three standard handles is closed.

    Otherwise the next file that is opened gets its number, and what a library prints ends up in a checkpoint.
    """
    for handle in range(3):
        try:
            os.fstat(handle)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
            if nowhere != handle:
                os.dup2(nowhere, handle)
                os.close(nowhere)
