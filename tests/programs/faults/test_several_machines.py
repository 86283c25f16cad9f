"""Several machines: network namespaces, joined by a virtual cable that can be cut.

Each has an address of its own and reaches the other through the cable alone. Skipped where namespaces may not be made.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.project import ROOT
from tests.support.several_processes import watched
from tests.support.tiny_runs import flags_for

_SECONDS = 300  # a hang, not a busy machine


@dataclass(frozen=True)
class SimulatedMachine:
    """A namespace, the address in it, and its end of the cable."""

    name: str
    address: str
    cable: str

    def start(self, *command: str, **environment: str) -> subprocess.Popen:
        """Start a Python command there."""
        settings = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": self.cable, "PYTHONPATH": str(ROOT), **environment}
        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, *command],
            cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def kill(self) -> None:
        """Kill all its processes at once."""
        for pid in _ip("netns", "pids", self.name).split():
            os.kill(int(pid), signal.SIGKILL)

    def cut(self) -> None:
        """Cut the cable: from now on packets get lost, without a word to anyone."""
        _ip("-n", self.name, "link", "set", self.cable, "down")


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def machines() -> Iterator[list[SimulatedMachine]]:
    both = [SimulatedMachine(f"semco{os.getpid()}{end}", f"10.77.0.{end}", f"cable{end}") for end in (1, 2)]
    with contextlib.ExitStack() as undo:
        try:
            for machine in both:
                _ip("netns", "add", machine.name)
                undo.callback(subprocess.run, ["ip", "netns", "delete", machine.name], capture_output=True)
            one, two = both
            _ip("-n", one.name, "link", "add", one.cable, "type", "veth", "peer", two.cable, "netns", two.name)
            for machine in both:
                _ip("-n", machine.name, "address", "add", f"{machine.address}/24", "dev", machine.cable)
                for link in ("lo", machine.cable):
                    _ip("-n", machine.name, "link", "set", link, "up")
        except (FileNotFoundError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces: {getattr(error, 'stderr', error)}")
        yield both
        for machine in both:
            machine.kill()


def _ends(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Wait until all have ended; returns exit codes and what they printed."""
    outputs = [process.communicate(timeout=_SECONDS) for process in processes]
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


# What two processes do for ever, with little patience; each says when it has begun.
_WORK = """
import os, sys
os.environ["TORCH_CPP_LOG_LEVEL"] = "FATAL"  # as `met_siblings` does it, but here torch is imported before
import torch
from utils.errors import run_program
from utils.processes import watch
from utils.processes.launch import EndedError
from utils.processes.start import met_siblings
from utils.processes.world import join_world
watch._BEAT_SECONDS, watch._SILENT_BEATS, watch._GRACE = 0.2, 20, 1.0

def work():
    with met_siblings() as siblings, join_world("cpu", parallel=True, siblings=siblings) as world:
        world.sum(torch.zeros(1))
        print(siblings.place.starter, world.rank, world.size, flush=True)
        while True:
            world.sum(torch.zeros(1))

try:
    run_program(work)
except EndedError as ended:
    print(ended.outcome.message or "", file=sys.stderr)
    sys.exit(ended.outcome.exit_code)
"""


@pytest.fixture
def working(machines) -> list[subprocess.Popen]:
    """Two processes at work, as srun starts one on each machine."""
    step = {
        "SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_LOCALID": "0",
        "SLURM_STEP_NODELIST": "10.77.0.[1-2]", "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
    }  # fmt: skip
    processes = [
        machine.start("-c", _WORK, **step, SLURM_PROCID=str(rank), SLURM_NODEID=str(rank))
        for rank, machine in enumerate(machines)
    ]
    assert [process.stdout.readline() for process in processes] == ["srun 0 2\n", "srun 1 2\n"]
    return processes


def test_a_cut_cable_ends_both_sides(machines, working):
    machines[1].cut()
    started = time.monotonic()
    (main_code, _, main_says), (code, _, says) = _ends(working)
    assert time.monotonic() - started < 60  # 4 s of silence, 1 s of grace, a busy machine
    assert (main_code, code) == (1, 1)
    assert "error: process 1 on " in main_says
    assert "has not been heard of for 4 s" in main_says
    assert says.startswith("error: the main process at 10.77.0.1 has not been heard of for 4 s")
    assert main_says.count("\n") == says.count("\n") == 1


@pytest.mark.parametrize("killed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_machine_that_is_killed_ends_the_other(machines, working, killed):
    machines[killed].kill()
    ends = _ends(working)
    assert [end[0] for end in ends] == [-signal.SIGKILL if machine == killed else 1 for machine in range(2)]
    says = ends[1 - killed][2]
    assert says.startswith("error: ")
    assert says.count("\n") == 1, says


@pytest.mark.slow
def test_torchrun_on_two_machines(tiny_dataset, tmp_path, machines):
    flags = flags_for(tiny_dataset, tmp_path, "--num-workers-per-gpu", "0")

    def run(*more: str) -> list[tuple[int, str, str]]:
        return _ends(
            [
                machine.start(
                    *("-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d"),
                    # Their names lead to the real machine, so torchrun cannot tell by the address which of them it is.
                    *("--rdzv-endpoint=10.77.0.1:29400", f"--rdzv-conf=is_host={int(machine is machines[0])}"),
                    f"--local-addr={machine.address}",
                    *watched(*flags, *more),
                )
                for machine in machines
            ]
        )

    assert [end[0] for end in run()] == [0, 0]
    assert len(list(tmp_path.rglob("summary.json"))) == 1
    ends = run("--word-vec-path", "nowhere")
    assert [end[0] for end in ends] == [1, 1]
    # Once on each machine: their outputs go to different places.
    assert [end[2].count("error: word vectors nowhere do not exist") for end in ends] == [1, 1]
    assert sum(" (process " in end[2] for end in ends) == 1


_DECODE = """
import pathlib, sys, time
from utils.processes.start import met_siblings
from utils.processes.world import join_world
folder = pathlib.Path(sys.argv[1])
with met_siblings() as siblings, join_world("cpu", parallel=True, siblings=siblings) as world:
    with world.first_on_each_machine(folder):
        cache = folder / "cache"
        made = not cache.exists()
        if made:
            time.sleep(1)
            cache.touch()
print(int(made))
"""


@pytest.mark.parametrize(
    ("folders", "made"), [pytest.param("ab", (1, 1), id="a disk each"), pytest.param("cc", (1, 0), id="one disk")]
)
def test_one_process_decodes_for_each_disk(tmp_path, machines, folders, made):
    processes = []
    for rank, (machine, name) in enumerate(zip(machines, folders, strict=True)):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        place = {
            "WORLD_SIZE": "2",
            "RANK": str(rank),
            "LOCAL_RANK": "0",
            "MASTER_ADDR": "10.77.0.1",
            "MASTER_PORT": "29533",
        }
        processes.append(machine.start("-c", _DECODE, str(folder), **place))
    ends = _ends(processes)
    assert [end[0] for end in ends] == [0, 0], ends
    assert tuple(int(end[1]) for end in ends) == made
