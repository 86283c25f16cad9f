"""Where a process stands among the processes of its run, as torchrun, srun, the own launcher or a user's hands say."""

import multiprocessing
import os
from collections.abc import Mapping
from dataclasses import dataclass

from utils.errors import SemcoError
from utils.processes.slurm import is_srun_task, srun_variables

_HOW_TO_START = "start the program with torchrun or srun, or unset WORLD_SIZE"


@dataclass(frozen=True)
class Place:
    """One process's place: its rank among `size`, its rank among the `local_size` of its machine, and where all meet."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    machine: str
    """Equal for the processes of one machine, and for no others."""
    address: str
    port: int
    starter: str
    """Who started the processes: `torchrun`, `srun`, `launcher` (this program's own) or `hand`."""
    has_agent_store: bool = False
    """True under torchrun, whose agent keeps the store through which the processes meet."""

    @property
    def hosts_store(self) -> bool:
        """True in the process that keeps the store, where no agent does."""
        return self.rank == 0 and not self.has_agent_store

    @property
    def console(self) -> str:
        """Equal for processes whose messages reach the same reader: each torchrun has an output of its own."""
        return self.machine if self.starter == "torchrun" else "all"


def read_place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """Read this process's place among several; None when it is alone.

    Raises:
        SemcoError: a variable is missing, no number, or out of range, or torchrun and srun contradict each other.
    """
    starter = "torchrun" if "TORCHELASTIC_RUN_ID" in environment else "hand"
    if starter == "torchrun":
        _check_agents(environment)
    elif multiprocessing.parent_process() is not None and "RANK" in environment:
        starter = "launcher"
    elif is_srun_task(environment) and "RANK" not in environment:
        starter, environment = "srun", {**environment, **srun_variables(environment)}
    size = _number(environment, "WORLD_SIZE", least=1, default="1")
    if size == 1:
        return None
    needed = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in needed if name not in environment]:
        raise SemcoError(f"WORLD_SIZE is {size} in the environment, but not {', '.join(missing)}: {_HOW_TO_START}")
    rank = _number(environment, "RANK", least=0)
    if rank >= size:
        raise SemcoError(f"RANK is {rank} in the environment, but WORLD_SIZE is {size}: expected 0 to {size - 1}")
    local_rank = _number(environment, "LOCAL_RANK", least=0)
    return Place(
        rank=rank,
        size=size,
        local_rank=local_rank,
        local_size=_number(environment, "LOCAL_WORLD_SIZE", least=1, default=str(size)),
        machine=environment.get("GROUP_RANK", str(rank - local_rank)),
        address=environment["MASTER_ADDR"],
        port=_number(environment, "MASTER_PORT", least=1, most=65535),
        starter=starter,
        has_agent_store=starter == "torchrun" and environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
    )


def _check_agents(environment: Mapping[str, str]) -> None:
    """Refuse several torchruns, started by one srun, that do not know each other: each would train a run of its own."""
    agents = environment.get("GROUP_WORLD_SIZE", "1")
    tasks = srun_variables(environment)["WORLD_SIZE"] if is_srun_task(environment) else "1"
    if tasks not in ("1", agents):
        raise SemcoError(
            f"srun started torchrun {tasks} times, but this torchrun knows {agents} of them: start one per machine, with "
            "srun --ntasks-per-node=1 torchrun --nnodes=$SLURM_JOB_NUM_NODES --rdzv-backend=c10d "
            "--rdzv-endpoint=FIRST_MACHINE:29400 ..., or leave out torchrun and start one task per GPU"
        )


def _number(
    environment: Mapping[str, str], name: str, *, least: int, most: int = 2**31 - 1, default: str | None = None
) -> int:
    text = environment.get(name, default)
    assert text is not None
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and least <= int(text) <= most):
        up_to = f" to {most}" if most < 2**31 - 1 else ""
        raise SemcoError(
            f"{name} is {text[:50]!r} in the environment: expected a number from {least}{up_to}; {_HOW_TO_START}"
        )
    return int(text)
