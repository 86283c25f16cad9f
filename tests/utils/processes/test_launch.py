"""Several processes of one machine: started, signalled and ended together, with one outcome."""

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

import run_semco
from utils.processes import launch as launch_module
from utils.processes.launch import Outcome, launch
from utils.processes.signals import StopRequest
from utils.stopping import Stopped

# Seconds after which a test gives up; a machine with other work starts processes slowly.
_PATIENCE = 300.0


def _note(folder: Path, text: str) -> None:
    (folder / os.environ["RANK"]).write_text(text)


def _succeed(folder: Path) -> Outcome:
    _note(folder, f"{os.environ['WORLD_SIZE']} {os.environ['MASTER_ADDR']} {os.getsid(0) == os.getpid()}")
    return Outcome(0)


def _fail_in_one(folder: Path) -> Outcome:
    if os.environ["RANK"] == "1":
        return Outcome(2, "error: the file is missing")
    _note(folder, str(os.getpid()))
    time.sleep(600)
    return Outcome(0)


def _has_a_bug() -> Outcome:
    raise ZeroDivisionError


def _lose_the_other() -> Outcome:
    if os.environ["RANK"] == "1":
        raise RuntimeError("connection closed by peer")
    time.sleep(1)
    return Outcome(2, "error: the disk is full")


def _until_a_signal(folder: Path) -> Outcome:
    until = time.monotonic() + _PATIENCE
    try:
        with StopRequest() as request, request.deferred():
            _note(folder, str(os.getpid()))
            while request.number is None and time.monotonic() < until:
                time.sleep(0.05)
    except Stopped as stopped:
        return Outcome(stopped.exit_code, "stopped")
    return Outcome(0)


def _wait_for_files(folder: Path, count: int) -> list[int]:
    until = time.monotonic() + _PATIENCE
    while len(files := list(folder.iterdir())) < count or not all(file.read_text() for file in files):
        assert time.monotonic() < until
        time.sleep(0.05)
    return [int(file.read_text()) for file in files]


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")")[1].split()[0]
    except FileNotFoundError:
        return False


def test_all_succeed(tmp_path):
    with StopRequest() as request:
        assert launch(functools.partial(_succeed, tmp_path), 3, request) == Outcome(0)
    assert [(tmp_path / str(rank)).read_text() for rank in range(3)] == ["3 127.0.0.1 True"] * 3


def test_one_failure_ends_all(tmp_path, monkeypatch):
    monkeypatch.setattr(launch_module, "_GRACE", 0.3)
    with StopRequest() as request:
        assert launch(functools.partial(_fail_in_one, tmp_path), 2, request) == Outcome(2, "error: the file is missing")
    assert not any(map(_is_alive, map(int, [file.read_text() for file in tmp_path.iterdir()])))


def test_a_bug_shows_its_traceback(capfd):
    with StopRequest() as request:
        assert launch(_has_a_bug, 2, request) == Outcome(1)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_mistake_counts_more_than_what_it_does_to_others():
    with StopRequest() as request:
        assert launch(_lose_the_other, 2, request) == Outcome(2, "error: the disk is full")


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_handed_on(tmp_path, number):
    def send() -> None:
        _wait_for_files(tmp_path, 2)
        os.kill(os.getpid(), number)

    threading.Thread(target=send).start()
    with StopRequest() as request:
        assert launch(functools.partial(_until_a_signal, tmp_path), 2, request) == Outcome(128 + number, "stopped")


def test_processes_end_with_a_killed_launcher(tmp_path):
    program = (
        "import functools, pathlib, sys\n"
        "from tests.utils.processes.test_launch import _until_a_signal\n"
        "from utils.processes.launch import launch\n"
        "from utils.processes.signals import StopRequest\n"
        "if __name__ == '__main__':\n"
        "    with StopRequest() as request:\n"
        "        launch(functools.partial(_until_a_signal, pathlib.Path(sys.argv[1])), 2, request)\n"
    )
    file = tmp_path / "program.py"
    file.write_text(program)
    folder = tmp_path / "pids"
    folder.mkdir()
    root = Path(run_semco.__file__).parent
    launcher = subprocess.Popen([sys.executable, file, folder], env={**os.environ, "PYTHONPATH": str(root)})
    pids = _wait_for_files(folder, 2)
    launcher.kill()
    launcher.wait()
    until = time.monotonic() + _PATIENCE
    while any(map(_is_alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_run_of_two_processes(tiny_dataset, tmp_path, monkeypatch, capfd):
    """As on a machine with two GPUs, but on its CPU."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    arguments = [
        *("--dataset-path", str(tiny_dataset), "--dataset-name", "tiny", "--output-dir", str(tmp_path)),
        *(
            "--train-split-pickle",
            str(tiny_dataset / "split.pkl"),
            "--word-vec-path",
            str(tiny_dataset / "vectors.txt"),
        ),
        *("--wres-n", "10", "--wres-k", "1", "--bn-momentum", "0.1", "--batch-size", "4", "--n-imgs-per-epoch", "16"),
        *("--n-epoches", "2", "--no-amp"),
    ]
    assert run_semco.main(arguments) == 0
    lines = next(tmp_path.rglob("metrics.jsonl")).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    assert json.loads(next(tmp_path.rglob("config.json")).read_text())["resolved"]["processes"] == 2
    capfd.readouterr()
    assert run_semco.main([*arguments, "--batch-size", "5"]) == 2
    assert capfd.readouterr().err.splitlines() == [
        "error: --batch-size 5 cannot be shared equally by 2 processes: pass 4 or 6, or start 1 or 5 processes"
    ]
