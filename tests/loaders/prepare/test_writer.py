"""A dataset folder appears complete or not at all, and what a killed process left is swept by the next."""

import os
import signal
import subprocess
import sys

import pytest
from PIL import Image

from loaders.dataset.index import load_index
from loaders.prepare.__main__ import main
from tests.support.project import ROOT
from tests.support.sample_images import photo_crops
from utils.files.lock import try_lock

# Stops in the middle of the writing, and says so.
_PREPARE_AND_WAIT = """
import shutil, sys, time
from loaders.prepare.__main__ import main
copy, left = shutil.copyfile, [3]
def slow(*arguments):
    left[0] -= 1
    if not left[0]:
        print("writing", flush=True)
        time.sleep(600)
    return copy(*arguments)
shutil.copyfile = slow
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def arguments(tmp_path):
    for row, image in enumerate(photo_crops(6, 20, 24)):
        path = tmp_path / "source" / ("ant", "bee")[row % 2] / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    output = ["--dataset-name", "small[1]", "--output", str(tmp_path / "out")]
    return ["imagefolder", "--source", str(tmp_path / "source"), *output]


def _start(tmp_path, arguments) -> subprocess.Popen:
    (tmp_path / "program.py").write_text(_PREPARE_AND_WAIT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, tmp_path / "program.py", *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    process.stdout.close()
    return process


def _names(tmp_path) -> list[str]:
    return sorted(entry.name for entry in (tmp_path / "out").iterdir())


def test_what_a_killed_process_left_is_swept(tmp_path, arguments):
    process = _start(tmp_path, arguments)
    (left,) = _names(tmp_path)
    assert left.startswith(".small[1].")
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert _names(tmp_path) == [left]
    for other in (".other.x.part", ".small[1].kept", ".small1.x.part"):
        (tmp_path / "out" / other).mkdir()
    assert main(arguments) == 0
    assert _names(tmp_path) == [".other.x.part", ".small1.x.part", ".small[1].kept", "small[1]"]
    assert len(load_index(tmp_path / "out" / "small[1]", "train")) == 6
    assert sorted(entry.name for entry in (tmp_path / "out" / "small[1]").iterdir()) == ["labels", "train"]


def test_the_folder_of_a_process_at_work_is_left_alone(tmp_path, arguments):
    process = _start(tmp_path, arguments)
    (busy,) = _names(tmp_path)
    assert main(arguments) == 0
    assert _names(tmp_path) == [busy, "small[1]"]
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert _names(tmp_path) == ["small[1]"]


def test_a_link_among_leftovers_is_not_followed(tmp_path, arguments):
    (tmp_path / "out").mkdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "x").touch()
    (tmp_path / "out" / ".small[1].x.part").symlink_to(tmp_path / "precious", target_is_directory=True)
    assert main(arguments) == 0
    assert (tmp_path / "precious" / "x").exists()


def test_where_the_file_system_has_no_locks_nothing_is_swept(tmp_path, arguments, monkeypatch):
    (tmp_path / "out" / ".small[1].x.part").mkdir(parents=True)
    monkeypatch.setattr("loaders.prepare.writer.try_lock", lambda _: None)
    assert main(arguments) == 0
    assert _names(tmp_path) == [".small[1].x.part", "small[1]"]


def test_a_folder_that_another_took_for_a_leftover_is_made_again(tmp_path, arguments, monkeypatch):
    answers = iter([False])
    monkeypatch.setattr(
        "loaders.prepare.writer.try_lock", lambda handle: next(answers, None) is None and try_lock(handle)
    )
    assert main(arguments) == 0
    assert "small[1]" in _names(tmp_path)
    assert next(answers, None) is None


def test_what_sigterm_leaves_is_swept(tmp_path, arguments):
    """Whether the signal ends the process at once, or as an exception that lets it clean up."""
    process = _start(tmp_path, arguments)
    process.send_signal(signal.SIGTERM)
    process.wait()
    assert main(arguments) == 0
    assert _names(tmp_path) == ["small[1]"]
