"""What Windows lacks: the programs import and a short run trains without it.

The modules, signals and functions are taken away in a fresh process, before the program is imported.
"""

import subprocess
import sys

import pytest

from tests.bad_inputs.case import FLAGS, furnish
from tests.support.project import ROOT

_WITHOUT = """
import asyncio, multiprocessing.synchronize, os, runpy, signal, socket, subprocess, sys, tempfile, torch  # may need what goes now

LACKING = {"fcntl", "resource", "pwd", "grp", "termios"}

class Absent:
    def find_spec(self, name, *_):
        if name in LACKING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in LACKING:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
for name in ("SIGHUP", "SIGUSR1", "SIGKILL"):
    del signal.Signals._member_map_[name]
    delattr(signal, name)
for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "sysconf", "mkfifo", "geteuid", "getuid", "setsid", "fork",
             "posix_fallocate", "posix_fadvise", "sched_getaffinity"):
    delattr(os, name)
program, sys.argv = sys.argv[1], sys.argv[1:]
sys.path.insert(0, os.path.dirname(program))
runpy.run_path(program, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("program", "flags"),
    [
        ("run_semco", ["--help"]),
        ("split_maker", ["--help"]),
        ("predict_semco", ["--help"]),
        ("run_semco", FLAGS["run"]),
        ("split_maker", FLAGS["split"]),
    ],
    ids=lambda value: value if isinstance(value, str) else str(len(value)),
)
def test_a_program_without_what_only_posix_has(program, flags, tmp_path):
    furnish(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", _WITHOUT, ROOT / f"{program}.py", *flags],
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    if program == "run_semco" and flags != ["--help"]:
        assert len(list(tmp_path.glob("runs/toy/*/*/summary.json"))) == 1
        assert len(list(tmp_path.glob("runs/toy/*/*/report.html"))) == 1
