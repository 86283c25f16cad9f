"""Meet the other processes of a run, if there are any; a lone one need not wait until torch is imported."""

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from utils.processes.place import read_place

if TYPE_CHECKING:
    from utils.processes.siblings import Siblings


@contextlib.contextmanager
def met_siblings() -> Iterator["Siblings | None"]:
    """Meet the other processes, where torchrun, srun or the launcher started several; None alone.

    Raises:
        SemcoError: the environment makes no sense, or the others do not come.
        EndedError: another process's failure ends this one.
    """
    place = read_place()
    if place is None:
        yield None
        return
    # Of a lost process, or a wrong port, torch writes dozens of lines of its own; `Siblings` says it in one. Read when torch is
    # imported.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")
    from utils.processes.siblings import Siblings

    with Siblings(place) as siblings:
        yield siblings
