"""Processes find each other, or say in one line why they do not."""

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch.distributed as dist

from tests.support.project import ROOT
from utils.errors import SemcoError
from utils.processes import meeting
from utils.processes.meeting import meet
from utils.processes.place import read_place

_GOOD = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_port_that_is_taken(port):
    with socket.create_server(("", port)), pytest.raises(SemcoError) as caught:
        meet(read_place({**_GOOD, "RANK": "0", "MASTER_PORT": str(port)}))
    assert str(caught.value) == f"MASTER_PORT {port} cannot be used (Address already in use): choose another one"


def test_a_machine_that_nobody_knows(port):
    with pytest.raises(
        SemcoError, match=r"MASTER_ADDR is 'no.such.invalid' in the environment, which is no known machine"
    ):
        meet(read_place({**_GOOD, "MASTER_ADDR": "no.such.invalid", "MASTER_PORT": str(port)}))


@contextlib.contextmanager
def _another_program(answer: bytes | None) -> Iterator[int]:
    """Listen at a port as no process of a run does: say nothing, hang up, or say something else."""
    connections: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):  # the test is over
            while True:
                connections.append(server.accept()[0])
                if answer is not None:
                    connections[-1].sendall(answer)
                    connections[-1].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_another_program_at_the_port(answer, monkeypatch, capfd):
    assert meeting._ANSWER_SECONDS == 30
    monkeypatch.setattr(meeting, "_ANSWER_SECONDS", 0.6)
    with _another_program(answer) as taken, pytest.raises(SemcoError) as caught:
        meet(read_place({**_GOOD, "MASTER_PORT": str(taken)}))
    assert str(caught.value) == (
        f"what listens at 127.0.0.1:{taken} is no process of this run: choose another MASTER_PORT"
    )
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_torch_adds_nothing_to_the_line():
    """Its own words about such a port are a stack of C++ frames."""
    with _another_program(b"HTTP/1.1 400 Bad Request\r\n\r\n") as taken:
        done = subprocess.run(
            [sys.executable, str(ROOT / "run_semco.py"), "--train-split-pickle", "x.pkl"],
            env={**os.environ, **_GOOD, "MASTER_PORT": str(taken)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        f"error: what listens at 127.0.0.1:{taken} is no process of this run: choose another MASTER_PORT\n"
    )


@pytest.mark.parametrize(
    ("rank", "words"), [("0", "only 1 of 2 processes came"), ("1", "the main process does not answer")]
)
def test_waiting_ends(port, monkeypatch, rank, words):
    assert meeting._MINUTES == 10
    monkeypatch.setattr(meeting, "_MINUTES", 0.01)
    with pytest.raises(SemcoError, match=f"{words}.* to 127.0.0.1:{port} within 0.01 minutes: start all 2"):
        meet(read_place({**_GOOD, "RANK": rank, "MASTER_PORT": str(port)}))


_WAIT = """
import sys
from utils.errors import run_program
from utils.processes.meeting import meet
from utils.processes.place import read_place
import gc
import os
def wait():
    place = read_place(os.environ)
    print("waiting", flush=True)
    meet(place)
sys.exit(run_program(wait))
"""


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_waiting_at_once(port, rank, number):
    environment = {**os.environ, **_GOOD, "RANK": rank, "MASTER_PORT": str(port), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", _WAIT], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline() == "waiting\n"
            time.sleep(0.5)  # until it is amid the waiting
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, errors) == (128 + number, f"stopped by {signal.Signals(number).name}\n")


def test_a_restarted_process_learns_a_new_name():
    """An agent's store keeps what processes left that were killed; each agent counts the restarts for itself."""
    agent = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_PORT": str(agent.port)}

    def meet_all(*counts: str) -> list[str]:
        with ThreadPoolExecutor() as pool:
            places = [
                read_place({**_GOOD, **torchrun, "RANK": str(rank), "TORCHELASTIC_RESTART_COUNT": count})
                for rank, count in enumerate(counts)
            ]
            return [name for _, name in pool.map(meet, places)]

    first, again = meet_all("0", "0"), meet_all("1", "0")
    assert first[0] == first[1] != again[0] == again[1]


def test_a_store_that_ends_while_others_wait(port):
    agent = dist.TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False)
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_PORT": str(port)}
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(meet, read_place({**_GOOD, **torchrun}))
        while not agent.check(["semco/hello/1"]):
            time.sleep(0.05)
        del agent
        gc.collect()
        with pytest.raises(SemcoError, match="the process that keeps the store at .* ended before all had come"):
            waiting.result(timeout=60)
