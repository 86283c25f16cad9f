"""What Slurm's srun says to each of its tasks, in torchrun's words."""

import re
from collections.abc import Mapping

from utils.errors import SemcoError

# Slurm numbers the batch script, an interactive shell and other steps that srun did not start from here on.
_FIRST_SPECIAL_STEP = 0xFFFFFFF0
# Below the ports that systems hand out themselves.
_FIRST_PORT, _PORTS = 12_000, 20_000
_USE = "start one task per GPU, such as srun --nodes=2 --ntasks-per-node=8 python run_semco.py ..."


def is_srun_task(environment: Mapping[str, str]) -> bool:
    """Return True in a task that srun started; a batch script and an interactive shell have most of the same variables."""
    if "SLURM_PROCID" not in environment or _tasks(environment) is None:
        return False
    step = environment.get("SLURM_STEP_ID", environment.get("SLURM_STEPID"))
    if step is not None:
        return not step.isdecimal() or int(step) < _FIRST_SPECIAL_STEP
    return environment.get("ENVIRONMENT") != "BATCH"


def srun_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return RANK, WORLD_SIZE and the like for a task of srun; MASTER_ADDR and MASTER_PORT keep values that a user set.

    Raises:
        SemcoError: a variable is missing or contradicts another one.
    """
    size = _tasks(environment)
    assert size is not None
    told = environment.get("WORLD_SIZE", size)
    if told != size and "TORCHELASTIC_RUN_ID" not in environment:
        raise SemcoError(f"WORLD_SIZE is {told[:50]!r} in the environment, but srun started {size} tasks: unset it")
    found = {"WORLD_SIZE": size, "RANK": environment["SLURM_PROCID"]}
    if size == "1":
        return found
    if "SLURM_LOCALID" not in environment:
        raise SemcoError(f"SLURM_LOCALID is not in the environment, though srun started {size} tasks: {_USE}")
    found["LOCAL_RANK"] = environment["SLURM_LOCALID"]
    if "SLURM_NODEID" in environment:
        found["GROUP_RANK"] = environment["SLURM_NODEID"]
    if (here := _tasks_here(environment)) is not None:
        found["LOCAL_WORLD_SIZE"] = str(here)
    if "MASTER_ADDR" not in environment:
        found["MASTER_ADDR"] = _first_machine(environment)
    if "MASTER_PORT" not in environment:
        found["MASTER_PORT"] = str(_port(environment))
    return found


def _tasks(environment: Mapping[str, str]) -> str | None:
    """Return how many tasks the step has, which may be fewer than the job's."""
    names = ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS")
    return next((environment[name] for name in names if name in environment), None)


def _tasks_here(environment: Mapping[str, str]) -> int | None:
    """Return how many of the step's tasks this machine has, from a list such as `8(x2),4`; None where Slurm does not say."""
    text = environment.get("SLURM_STEP_TASKS_PER_NODE", environment.get("SLURM_TASKS_PER_NODE", ""))
    counts: list[int] = []
    for part in text.split(","):
        if (match := re.fullmatch(r"(\d{1,6})(?:\(x(\d{1,6})\))?", part)) is None:
            return None
        counts += [int(match[1])] * int(match[2] or 1)
    node = environment.get("SLURM_NODEID", "0" if len(counts) == 1 else "")
    return counts[int(node)] if node.isdecimal() and int(node) < len(counts) else None


def _first_machine(environment: Mapping[str, str]) -> str:
    names = ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
    machines = next((environment[name] for name in names if environment.get(name)), None)
    if machines is None:
        raise SemcoError(
            "neither SLURM_STEP_NODELIST nor SLURM_JOB_NODELIST is in the environment: pass the first machine's name on, with "
            "export MASTER_ADDR=$(scontrol show hostnames | head -n 1)"
        )
    return first_host(machines)


def first_host(machines: str) -> str:
    """Return the first name of Slurm's list of machines: `gpu[03-07,12],login` -> `gpu03`."""
    first = re.match(r"(?:[^,\[\]]|\[[^\]]*\])*", machines)
    assert first is not None
    return re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", first[0])


def _port(environment: Mapping[str, str]) -> int:
    """Return the same port in all tasks, and probably another one in another step."""
    numbers = [environment.get(name, "0") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID")]
    job, step = (int(text) if text.isdecimal() else 0 for text in numbers)
    return _FIRST_PORT + (16 * job + step) % _PORTS
