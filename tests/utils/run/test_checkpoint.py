"""Checkpoints come back equal, and nothing else is loaded."""

import errno
import logging
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

from tests.bad_inputs.pickles import GROWING, Calls
from tests.support.checkpoints import run_content
from tests.support.project import ROOT
from utils.errors import SemcoError
from utils.run.checkpoint import DamagedError, fallbacks, load_checkpoint, newest_of, read_first, save_checkpoint


def test_round_trip(tmp_path):
    content = {
        "model": {"w": torch.randn(3, 2), "n": torch.tensor(4)},
        "history": [{"epoch": 1, "top1": 2.5}],
        "none": None,
    }
    save_checkpoint(tmp_path / "last.pth", content)
    loaded = load_checkpoint(tmp_path / "last.pth")
    assert torch.equal(loaded["model"]["w"], content["model"]["w"])
    assert loaded["history"] == content["history"]


def test_the_one_before_is_kept(tmp_path):
    last, previous = tmp_path / "last.pth", tmp_path / "previous.pth"
    for step in range(3):
        save_checkpoint(last, {"step": step}, keep_as=previous)
        assert load_checkpoint(last)["step"] == step
        assert not step or load_checkpoint(previous)["step"] == step - 1
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("where", ["first byte", "header", "middle", "last byte", "fsync", "rename"])
def test_a_full_disk_leaves_both_checkpoints(tmp_path, monkeypatch, small_disk, where):
    last, previous = tmp_path / "last.pth", tmp_path / "previous.pth"
    content = {"model": {"w": torch.randn(400_000)}}
    for step in range(2):
        save_checkpoint(last, {"step": step, **content}, keep_as=previous)
    size = last.stat().st_size

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    places = {"first byte": 0, "header": 40, "middle": size // 2, "last byte": size - 1}
    if where in places:
        small_disk(places[where])
    elif where == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SemcoError, match=r"no space left to write .*last\.pth \(1\.5 MiB needed, .* MiB free\)"):
        save_checkpoint(last, {"step": 2, **content}, keep_as=previous)
    monkeypatch.undo()
    assert [load_checkpoint(path)["step"] for path in (last, previous)] == [1, 0]
    assert len(list(tmp_path.iterdir())) == 2


_ON_A_SMALL_DISK = """
import sys, torch
from pathlib import Path
from utils.run.checkpoint import DamagedError, load_checkpoint, save_checkpoint
from utils.errors import SemcoError
last = Path(sys.argv[1]) / "last.pth"
save_checkpoint(last, {"w": torch.zeros(50_000)})
try:
    save_checkpoint(last, {"w": torch.zeros(500_000)})
except SemcoError as error:
    print(error)
print(len(load_checkpoint(last)["w"]), sorted(path.name for path in last.parent.iterdir()))
"""


@pytest.mark.slow
def test_a_small_file_system(tmp_path):
    """A real disk of one MiB, where the system lets us mount one for ourselves alone."""
    mounts = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = f"mount -t tmpfs -o size=1m none {shlex.quote(str(tmp_path))}"
    if shutil.which("unshare") is None or subprocess.run([*mounts, mount], capture_output=True).returncode:
        pytest.skip("may not mount a file system")
    program = shlex.join([sys.executable, "-c", _ON_A_SMALL_DISK, str(tmp_path)])
    done = subprocess.run([*mounts, f"{mount} && exec {program}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    message, left = done.stdout.splitlines()
    assert re.search(r"no space left to write .*last\.pth \(1\.9 MiB needed, 0\.\d MiB free\)", message)
    assert left == "50000 ['last.pth']"


def test_a_kill_between_the_renames_loses_nothing(tmp_path, monkeypatch):
    last, previous = tmp_path / "last.pth", tmp_path / "previous.pth"
    save_checkpoint(last, {"step": 0}, keep_as=previous)
    renamed = []

    def killed(self, target):
        if renamed:
            raise KeyboardInterrupt
        renamed.append(target)
        return replace(self, target)

    replace = Path.replace
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(last, {"step": 1}, keep_as=previous)
    assert load_checkpoint(previous)["step"] == 0


def test_a_changed_bit_is_noticed(tmp_path):
    """torch itself would load the tensor with another number in it."""
    path = tmp_path / "last.pth"
    save_checkpoint(path, {"model": torch.zeros(10_000)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert torch.load(path, weights_only=True)["model"].count_nonzero() == 1
    with pytest.raises(DamagedError, match=r"last\.pth is damaged \(in .*data/0\)"):
        load_checkpoint(path)


def test_a_glance_at_a_checkpoint(tmp_path):
    save_checkpoint(tmp_path / "last.pth", {"step": 7, "model": torch.arange(1000)})
    seen = load_checkpoint(tmp_path / "last.pth", mapped=True)
    assert seen["step"] == 7
    assert torch.equal(seen["model"], torch.arange(1000))


def test_code_is_refused(tmp_path, capsys):
    torch.save({"format": "semco-checkpoint-2", "model": Calls(print, "executed")}, tmp_path / "evil.pth")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Calls(print, "executed")))
    for name in ("evil.pth", "old.pth"):
        with pytest.raises(SemcoError, match=f"{name} (holds more than tensors|is damaged)"):
            load_checkpoint(tmp_path / name)
    assert capsys.readouterr().out == ""


def test_other_files(tmp_path):
    torch.save({"weights": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(SemcoError, match="is no checkpoint of this program"):
        load_checkpoint(tmp_path / "other.pth")
    with pytest.raises(SemcoError, match="does not exist"):
        load_checkpoint(tmp_path / "gone.pth")
    save_checkpoint(tmp_path / "good.pth", {"model": torch.randn(100)})
    data = (tmp_path / "good.pth").read_bytes()
    for cut in (0, 10, len(data) // 2, len(data) - 5):
        (tmp_path / "cut.pth").write_bytes(data[:cut])
        with pytest.raises(SemcoError, match="cut.pth"):
            load_checkpoint(tmp_path / "cut.pth")


def test_newest(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("semco"), "propagate", True)
    assert newest_of(tmp_path) is None
    last, previous = tmp_path / "last.pth", tmp_path / "previous.pth"
    for steps in (1, 2):
        save_checkpoint(last, run_content(steps=steps), keep_as=previous)
    assert (newest_of(tmp_path)[0], newest_of(tmp_path)[1]["steps"]) == (last, 2)
    last.write_bytes(b"half")
    assert (newest_of(tmp_path)[0], newest_of(tmp_path)[1]["steps"]) == (previous, 1)
    assert "last.pth is damaged" in caplog.text
    previous.write_bytes(b"")
    assert newest_of(tmp_path) is None


def test_only_the_last_has_a_stand_in(tmp_path):
    save_checkpoint(tmp_path / "previous.pth", run_content(steps=1))
    assert fallbacks(tmp_path / "last.pth") == [tmp_path / "last.pth", tmp_path / "previous.pth"]
    assert fallbacks(tmp_path / "best.pth") == [tmp_path / "best.pth"]
    (tmp_path / "best.pth").write_bytes(b"half")
    with pytest.raises(DamagedError, match=r"best\.pth"):
        read_first(fallbacks(tmp_path / "best.pth"))


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("name", [name for name in GROWING if name.startswith(("key", "member", "integers", "value"))])
def test_pickles_that_hang_or_crash_a_reader(tmp_path, name, mapped):
    """Both when it is read and when it is only peeked into."""
    path = tmp_path / "last.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for entry, content in (("data.pkl", GROWING[name]), ("byteorder", b"little"), ("version", b"3\n")):
            archive.writestr(f"archive/{entry}", content)
    with pytest.raises(DamagedError, match=r"last\.pth is damaged"):
        load_checkpoint(path, mapped=mapped)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "last.pth")
    with pytest.raises(SemcoError, match=r"last\.pth is a pipe"):
        load_checkpoint(tmp_path / "last.pth")


def test_a_changed_bit_of_the_pickle_is_noticed_in_a_glance(tmp_path):
    path = tmp_path / "last.pth"
    save_checkpoint(path, {"step": 7, "words": "unmistakable"})
    path.write_bytes(path.read_bytes().replace(b"unmistakable", b"unmistakablf", 1))
    with pytest.raises(DamagedError, match=r"last\.pth is damaged"):
        load_checkpoint(path, mapped=True)
