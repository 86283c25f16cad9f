"""Processes that decode do not outlive their parent, and their death is told."""

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from loaders.pixels import decode_pool
from loaders.pixels.decode_pool import decode_all
from tests.support.project import ROOT
from utils.errors import SemcoError

_DECODE_FOR_EVER = """
import sys
from pathlib import Path
from loaders.pixels import decode_pool
if __name__ == "__main__":
    decode_pool._WORTH_PROCESSES = 1
    for _ in decode_pool.decode_all([Path(sys.argv[1])] * 10**6, 32, workers=2):
        print("decoding", flush=True)
"""


@pytest.fixture
def picture(tmp_path):
    Image.new("RGB", (40, 30), (1, 2, 3)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def _children(process: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_no_orphans(tmp_path, picture):
    program = tmp_path / "program.py"
    program.write_text(_DECODE_FOR_EVER)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    parent = subprocess.Popen([sys.executable, program, picture], env=environment, stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "decoding\n"
    children = _children(parent.pid)
    assert len(children) >= 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while any(map(_is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_is_alive, children))


def test_a_process_that_cannot_be_started_is_named(monkeypatch, picture):
    def refuse(*_):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.popen_spawn_posix.Popen._launch", refuse)
    with pytest.raises(SemcoError, match=r"cannot start processes .*unavailable\): lower --num-workers-per-gpu"):
        list(decode_all([picture] * 300, 32, workers=2, worth_processes=1))


def test_what_waits_is_dropped_when_nobody_wants_it(monkeypatch, picture):
    """As after a signal."""
    waiting, submit = [], decode_pool._submit

    def submit_and_keep(*arguments):
        waiting.append(submit(*arguments))
        return waiting[-1]

    monkeypatch.setattr(decode_pool, "_submit", submit_and_keep)
    chunks = decode_all([picture] * 128 * 100, 64, workers=2, worth_processes=1)
    next(chunks)
    chunks.close()
    assert any(future.cancelled() for future in waiting)
    assert all(future.done() for future in waiting)


def _die(_):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_worker_is_told(monkeypatch, picture):
    monkeypatch.setattr(decode_pool, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(decode_pool, "_decode_chunk", _die)
    with pytest.raises(SemcoError, match=r"was killed.*--num-workers-per-gpu"):
        list(decode_all([picture] * 300, 32, workers=2))


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.ENOENT])
def test_without_shared_memory_one_process_decodes(monkeypatch, caplog, picture, number):
    """What the first semaphore answers where /dev/shm is read-only, full or missing."""

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("multiprocessing.synchronize.SemLock.__init__", refuse)
    monkeypatch.setattr(logging.getLogger("semco"), "propagate", True)
    assert sum(map(len, decode_all([picture] * 300, 32, workers=2, worth_processes=1))) == 300
    (record,) = set(caplog.records)  # pytest's handler may hear it at the project's logger and at the root
    text = record.getMessage()
    assert text == f"no semaphores ({os.strerror(number)}; look at /dev/shm): one process decodes all images"
