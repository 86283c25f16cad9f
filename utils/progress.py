"""Progress bars for whatever may take longer than two seconds."""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")
Chunk = TypeVar("Chunk", bound=Sized)


class Progress:
    """Draws bars on stderr; silent when `enabled` is false or stderr is no terminal."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._silent = not (enabled and sys.stderr.isatty())

    def chunks(self, chunks: Iterable[Chunk], *, total: int, what: str, unit: str) -> Iterator[Chunk]:
        """Pass chunks on, moving the bar by the length of each."""
        with self.bar(total=total, what=what, unit=unit) as bar:
            for chunk in chunks:
                yield chunk
                bar.update(len(chunk))

    def bar(self, *, total: int, what: str, unit: str, initial: int = 0) -> tqdm:
        """Return a bar to be moved by hand. It appears after two seconds only, and leaves no trace."""
        return tqdm(
            total=total,
            initial=initial,
            desc=what,
            unit=f" {unit}",
            disable=self._silent,
            leave=False,
            delay=0.5,
            dynamic_ncols=True,
        )
