"""What a run reports: on the screen from the start, in train.log once there is a run folder."""

import contextlib
import logging
import logging.handlers
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from utils.files.regular import open_regular
from utils.stopping import Stopped

LOGGER = logging.getLogger("semco")


class RunLog:
    """Appends to train.log whatever was reported so far and will be reported until it is closed.

    Raises:
        SemcoError: it is a link or no regular file.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = _LogFile(path, encoding="utf-8")
        self._file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        for handler in _waiting():
            handler.setTarget(self._file)
            handler.flush()

    def close(self, error: BaseException | None) -> None:
        """End the log with what ended the run, unless that was a signal, which is logged already."""
        if error is not None and not isinstance(error, Stopped):
            text = f"{type(error).__name__}: {error}"
            self._file.handle(LOGGER.makeRecord(LOGGER.name, logging.ERROR, "", 0, "%s", (text,), None))
        for handler in _waiting():
            handler.setTarget(None)
        with contextlib.suppress(OSError):  # lines that a full disk kept from the log were reported
            self._file.close()


class _LogFile(logging.FileHandler):
    """A log on a disk that may fill up: the screen has every line too, so one complaint will do."""

    _has_complained = False

    def _open(self) -> TextIO:
        # A run folder may come from elsewhere: a link in it would have another file appended to.
        return open_regular(self.baseFilename, "a", encoding=self.encoding)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's name
        """Say once that lines are missing from the log."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self._has_complained:
            self._has_complained = True
            reason = error.strerror or error
            print(
                f"warning: {self.baseFilename} cannot be written ({reason}): the run goes on without it",
                file=sys.stderr,
            )


@contextlib.contextmanager
def logging_for(*, talks: bool) -> Iterator[None]:
    """Show messages on stdout and warnings on stderr, if this process talks at all; keep them for train.log.

    Streams that break are the business of `utils.streams.lasting_streams`, around the whole program.
    """
    handlers: list[logging.Handler] = [logging.NullHandler()]
    if talks:
        screen, alarm = logging.StreamHandler(sys.stdout), logging.StreamHandler(sys.stderr)
        screen.addFilter(lambda record: record.levelno < logging.WARNING)
        alarm.setLevel(logging.WARNING)
        alarm.setFormatter(logging.Formatter("warning: %(message)s"))
        # What is reported before the run folder exists waits here for it.
        handlers = [screen, alarm, logging.handlers.MemoryHandler(capacity=1, flushLevel=logging.DEBUG)]
    before = LOGGER.level, LOGGER.propagate
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    for handler in handlers:
        LOGGER.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            LOGGER.removeHandler(handler)
            if isinstance(handler, logging.handlers.MemoryHandler) and handler.target:
                handler.target.close()  # a run folder that was refused leaves its log open
            handler.close()
        LOGGER.setLevel(before[0])
        LOGGER.propagate = before[1]


def _waiting() -> list[logging.handlers.MemoryHandler]:
    return [handler for handler in LOGGER.handlers if isinstance(handler, logging.handlers.MemoryHandler)]
