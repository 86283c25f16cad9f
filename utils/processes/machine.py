"""What the processes of one machine tell each other: where the pixels are that one of them has decoded for all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Notes(Protocol):
    """Texts by name, which all processes of a run see; a `torch.distributed.Store` is one."""

    def set(self, name: str, text: str, /) -> None:
        """Write a text."""

    def get(self, name: str, /) -> bytes:
        """Read a text that is there."""

    def check(self, names: list[str], /) -> bool:
        """Say whether all of them are there."""


@dataclass(frozen=True)
class Machine:
    """The `processes` of a run that share this machine's memory, and the notes that they leave each other."""

    name: str = "0"
    processes: int = 1
    notes: Notes | None = None

    def once(self, what: str, make: Callable[[], str]) -> str:
        """Return what the first process of this machine to come here made, under the name `what`.

        The first one must be through before the others come, as `World.first_on_each_machine` sees to it.
        """
        if self.notes is None or self.processes == 1:
            return make()
        note = f"{what} on {self.name}"
        if not self.notes.check([note]):
            self.notes.set(note, make())
        return self.notes.get(note).decode()


ALONE = Machine()
