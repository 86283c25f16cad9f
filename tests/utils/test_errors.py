"""The promise of one plain line, and the frame that keeps it."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from tests.support.project import ROOT
from utils.errors import SemcoError, and_more, as_mistake, first_ten, run_program


def test_control_characters_are_spelt_out():
    message = str(SemcoError("class 'a\nb\x1b[31m\u202e' of größe.png"))
    assert message == r"class 'a\nb\x1b[31m\u202e' of größe.png"


def test_and_more():
    assert [and_more(faults) for faults in ("a", "ab", "abc")] == ["", " (and 1 more)", " (and 2 more)"]


def test_no_message_lists_more_than_ten():
    assert first_ten(["a", "b"]) == "'a', 'b'"
    assert first_ten([str(number) for number in range(10)]).endswith("'9'")
    assert first_ten([str(number) for number in range(12)]).endswith("'9' and 2 more")


def _raise(error: BaseException):
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SemcoError("no such file"), 2, "error: no such file"),
        (KeyboardInterrupt(), 130, "stopped by SIGINT"),
        (MemoryError(), 2, "error: out of memory: "),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 2, "error: out of memory: "),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 99 bytes"), 2, "error: out of memory: "),
        (RuntimeError("can't start new thread"), 2, "error: out of memory: "),
        (ImportError("lib.so: failed to map segment from shared object"), 2, "error: out of memory: "),
        (ModuleNotFoundError("x", name="not_there.inner"), 2, "error: the package 'not_there' is not installed for "),
    ],
)
def test_what_a_user_can_fix_is_one_line(error, code, line, capsys):
    assert run_program(_raise(error)) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(line)
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        RuntimeError("shape"),
        OSError(errno.EIO, "x"),
        ImportError("x"),
        ModuleNotFoundError("a module of ours", name="loaders.gone"),
        ModuleNotFoundError("a part of an installed package", name="numpy.gone"),
        ModuleNotFoundError("a part of Python", name="_lzma"),
        ModuleNotFoundError("raised by hand"),
    ],
)
def test_a_bug_keeps_its_traceback(error):
    assert as_mistake(error) is None
    with pytest.raises(type(error)):
        run_program(_raise(error))


_TIDY = """
import sys, tempfile, time
from pathlib import Path
from utils.errors import run_program
def work():
    with tempfile.TemporaryDirectory(dir=sys.argv[1]):
        print("working", flush=True)
        time.sleep(60)
sys.exit(run_program(work))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_a_program_clean_up(tmp_path, number):
    with subprocess.Popen(
        [sys.executable, "-c", _TIDY, tmp_path], env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout.readline() == "working\n"
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, errors) == (128 + number, f"stopped by {signal.Signals(number).name}\n")
    assert list(tmp_path.iterdir()) == []


_FILL = """
import resource, sys
from pathlib import Path
from utils.errors import run_program
def work():
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**24, used + 2**24))
    bytearray(2**28)
sys.exit(run_program(work))
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")  # noqa: PTH110
def test_memory_that_really_runs_out():
    ended = subprocess.run(
        [sys.executable, "-c", _FILL], env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: out of memory: ")
    assert ended.stderr.count("\n") == 1
