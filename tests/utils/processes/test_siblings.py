"""Whatever ends one process of a run ends all of them, within seconds, and is told once."""

import re
import signal

import pytest
import torch.distributed as dist

from tests.support.several_processes import together
from utils.errors import SemcoError
from utils.processes.siblings import LostConnectionError, is_lost_connection

# What run_semco.main does, around operations without end; process 1 does something else.
_RUN = """
import os, pathlib, signal, subprocess, sys, time, torch
from datetime import timedelta
from utils.errors import SemcoError, run_program
from utils.processes import siblings as siblings_module, watch, world as world_module
from utils.processes.launch import EndedError
from utils.processes.signals import StopRequest
from utils.processes.start import met_siblings
from utils.processes.world import join_world
action, patience = sys.argv[1], float(sys.argv[2])
watch._BEAT_SECONDS, watch._SILENT_BEATS, watch._GRACE = 0.2, 5 * patience, 1.0
world_module._LONGEST_OPERATION = timedelta(seconds=patience if action == "hang" else 600)
rank = int(os.environ["RANK"])

def work():
    with StopRequest(), met_siblings() as siblings, join_world("cpu", parallel=True, siblings=siblings) as world:
        world.sum(torch.zeros(1))
        with world.first_on_each_machine(pathlib.Path()):
            if world.is_main:
                time.sleep(3 * patience if action == "decode" else 0)
        if action == "decode":
            return
        if rank == 1 or action == "same mistake":
            match action:
                case "mistake" | "same mistake":
                    raise SemcoError("the disk is full")
                case "bug":
                    raise ZeroDivisionError("a bug")
                case "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "freeze":
                    later = f"sleep {8 * patience}; kill -KILL {os.getpid()}"
                    subprocess.Popen(["sh", "-c", later], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    os.kill(os.getpid(), signal.SIGSTOP)
                case "signal":
                    os.kill(os.getpid(), signal.SIGTERM)
                case "hang":
                    time.sleep(600)
                case "leave":
                    siblings.store.add("nothing", 1)
                    return
        for _ in range(10**9 if action != "leave" else 0):
            world.sum(torch.zeros(1))
            if action != "kill":
                siblings.wait_until(lambda: True)

try:
    sys.exit(run_program(work))
except EndedError as ended:
    if ended.outcome.message:
        print(ended.outcome.message, file=sys.stderr)
    sys.exit(ended.outcome.exit_code)
"""


def run(action: str, *, patience: float = 60.0, size: int = 2):
    """Returns how the processes ended, and what all of them printed."""
    ended = together("-c", _RUN, action, str(patience), size=size)
    assert not any(process.stdout for process in ended)
    return [process.returncode for process in ended], "".join(process.stderr for process in ended)


@pytest.mark.parametrize("action", ["mistake", "same mistake"])
def test_a_mistake(action):
    codes, text = run(action, size=3 if action == "mistake" else 2)
    assert set(codes) == {2}
    assert text == "error: the disk is full\n"


def test_a_bug():
    codes, text = run("bug")
    assert codes == [1, 1]
    assert text.count("Traceback") == 1
    assert text.splitlines()[-1].endswith("ZeroDivisionError: a bug")


def test_a_signal_before_training():
    assert run("signal") == ([143, 143], "stopped by SIGTERM\n")


def test_a_killed_process():
    codes, text = run("kill")
    assert codes == [1, -signal.SIGKILL]
    assert text.startswith("error: process 0 on ")
    assert "lost its connection to another one" in text
    assert text.count("\n") == 1


def test_a_process_that_hangs():
    """Its sign of life goes on; what notices it is the operation that it does not take part in."""
    codes, text = run("hang", patience=3)
    assert codes == [1, 1]
    assert text.count("\n") == 1
    assert "lost its connection to another one" in text


def test_a_long_decoding_is_no_hang():
    assert run("decode", patience=2) == ([0, 0], "")


def test_all_leave_in_peace():
    assert run("leave") == ([0, 0], "")


@pytest.mark.slow
def test_a_process_that_stands_still():
    codes, text = run("freeze", patience=4)
    assert codes == [1, -signal.SIGKILL]
    assert re.fullmatch(
        r"error: process 1 on \S+ has not been heard of for 4 s: .*; --resume auto resumes the run\n", text
    )


def test_a_lost_connection_is_told_from_a_bug():
    lost = (
        LostConnectionError("x"),
        dist.DistNetworkError("x"),
        RuntimeError("[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4242"),
    )
    assert all(map(is_lost_connection, lost))
    others = (RuntimeError("shapes differ"), SemcoError("gloo"), ValueError("Connection closed by peer"))
    assert not any(map(is_lost_connection, others))
