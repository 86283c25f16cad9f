"""Every mistake of the corpus: one line that names it, exit code 2, nothing written, nothing run."""

import copyreg
import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.bad_inputs.case import FLAGS, PROGRAMS, furnish
from tests.bad_inputs.corpus import CASES
from tests.bad_inputs.pickles import EXECUTING, EXTENSION_CODE

_LONGEST_SECONDS = 30


@pytest.fixture(scope="session")
def furnished(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("furnished")
    furnish(root)
    for name in ("home", "tmp", "bin"):
        (root / name).mkdir()
    # Pillow hands PostScript to a program of this name.
    program = root / "bin" / "gs"
    program.write_text("#!/bin/sh\ntouch executed\n")
    program.chmod(0o755)
    return root


@pytest.fixture
def place(furnished, tmp_path, monkeypatch) -> Path:
    """A fresh copy of the good inputs, which is also home, current and temporary folder."""
    root = tmp_path / "place"
    shutil.copytree(furnished, root)
    monkeypatch.chdir(root)
    for variable in ("SEMCO_DATA_PATH", "SEMCO_WV_PATH", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.setenv("TMPDIR", str(root / "tmp"))
    monkeypatch.setenv("PATH", f"{root / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(tempfile, "tempdir", None)
    return root


@pytest.fixture
def short_name_of_system(monkeypatch):
    """Pickles can name what a program has registered by a number."""
    for table in ("_extension_registry", "_inverted_registry", "_extension_cache"):
        monkeypatch.setattr(copyreg, table, getattr(copyreg, table))
    copyreg.add_extension("os", "system", EXTENSION_CODE)
    yield
    copyreg.remove_extension("os", "system", EXTENSION_CODE)


@pytest.fixture
def bounded():
    """An answer within seconds: an alarm breaks into whatever hangs."""

    def break_in(*_):
        raise TimeoutError(f"no answer within {_LONGEST_SECONDS} s")

    before = signal.signal(signal.SIGALRM, break_in)
    signal.alarm(_LONGEST_SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def tree(root: Path) -> dict[str, str]:
    """What lies in a folder: name -> kind and content."""
    found = {}
    for path in sorted(root.rglob("*")):
        kind = stat.S_IFMT(path.lstat().st_mode)
        if stat.S_ISLNK(kind):
            content = str(path.readlink())
        else:
            content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(kind) else ""
        found[str(path.relative_to(root))] = f"{kind:o} {content}"
    return found


def check_answer(code: int, errors: str, words) -> None:
    """One line `error: ...` with the words in it, besides warnings."""
    lines = [line for line in errors.split("\n") if line and not line.startswith("warning: ")]
    assert (code, len(lines)) == (2, 1), errors
    assert lines[0].startswith("error: ")
    assert lines[0].isprintable()
    assert len(lines[0]) < 3000
    for word in words:
        assert word in lines[0], lines[0]


def test_there_are_enough_of_them():
    assert len(CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.usefixtures("short_name_of_system", "bounded")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_told_and_nothing_else_happens(case, place, capsys):
    arguments = case.arguments()
    before = tree(place)
    code = PROGRAMS[case.program](arguments)
    after = tree(place)
    check_answer(code, capsys.readouterr().err, case.words)
    assert after == before


@pytest.mark.parametrize("program", PROGRAMS)
def test_without_a_mistake_the_programs_succeed(program, place):
    """Without this, the corpus might meet mistakes of its own making."""
    assert PROGRAMS[program](FLAGS[program]) == 0


@pytest.mark.parametrize("name", EXECUTING)
def test_the_hostile_pickles_are_real(name, place):
    """The ordinary reader runs their code."""
    Path("evil.pkl").write_bytes(EXECUTING[name])
    reading = "import copyreg, pickle, sys; copyreg.add_extension('os', 'system', int(sys.argv[1]))\n"
    reading += "pickle.load(open('evil.pkl', 'rb'))"
    subprocess.run([sys.executable, "-c", reading, str(EXTENSION_CODE)], capture_output=True, check=False, timeout=60)
    assert Path("executed").exists()
