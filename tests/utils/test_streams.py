"""Streams that close, break or lack a character never decide whether a program reaches its end."""

import subprocess
import sys

import pytest

from tests.support.project import ROOT

_PROGRAM = """
import sys
from pathlib import Path
from utils.errors import run_program

def work():
    for number in range(3000):
        print("line", number, "größe 猫")
    print("a warning", file=sys.stderr)
    Path(sys.argv[1]).write_text("done")

sys.exit(run_program(work))
"""


def _run(tmp_path, redirections, **environment):
    (tmp_path / "program.py").write_text(_PROGRAM, encoding="utf-8")
    done = subprocess.run(
        f'"{sys.executable}" program.py end {redirections}', shell=True, cwd=tmp_path, capture_output=True, timeout=120,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", **environment}, check=False,
    )  # fmt: skip
    assert (tmp_path / "end").read_text() == "done"
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    return done


@pytest.mark.parametrize("redirections", ["2>&-", ">&-", ">&- 2>&-", ">/dev/full", ">/dev/full 2>&1", "2>/dev/full"])
def test_closed_and_full_streams(tmp_path, redirections):
    done = _run(tmp_path, redirections)
    assert done.returncode == 0
    assert done.stderr.count(b"cannot be written") <= 1


def test_a_reader_that_leaves(tmp_path):
    done = _run(tmp_path, "| head -n 2")
    assert done.stdout.splitlines()[0].startswith(b"line 0")
    assert done.stderr.count(b"cannot be written") == 1


def test_characters_that_a_stream_lacks(tmp_path):
    done = _run(tmp_path, "", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert b"gr\\xf6\\xdfe \\u732b" in done.stdout
