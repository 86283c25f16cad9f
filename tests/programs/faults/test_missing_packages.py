"""A program run without the requirements, as in a shell whose environment was not activated: one line says what to do."""

import subprocess
import sys

import pytest

from tests.bad_inputs.case import FLAGS, furnish
from tests.support.project import ROOT


@pytest.mark.parametrize(
    "arguments",
    [
        [ROOT / "run_semco.py", *FLAGS["run"]],
        [ROOT / "split_maker.py", *FLAGS["split"]],
        [ROOT / "export_semco.py", "run", "out"],
        ["-m", "loaders.prepare", "imagefolder"],
        ["-m", "utils.labels", "match"],
        ["-m", "utils.pictures", "run"],
    ],
    ids=lambda arguments: getattr(arguments[0], "stem", arguments[1]),
)
def test_a_missing_package_is_named_in_one_line(arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    furnish(tmp_path)
    without_packages = [sys.executable, "-S"]
    ended = subprocess.run(
        [*without_packages, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("error: the package '")
    assert "requirements.txt" in ended.stderr
    assert ended.stderr.count("\n") == 1
