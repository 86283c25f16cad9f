"""Inputs that are fine though they look odd, rights that are missing, and the programs as real processes."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
import pytest

import run_semco
import split_maker
from loaders.prepare import __main__ as prepare
from tests.bad_inputs.case import FLAGS, PROGRAMS, an_image, furnish
from tests.bad_inputs.pickles import EXECUTING
from tests.support.project import ROOT


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*flags: str) -> int:
    return run_semco.main([*FLAGS["run"], *flags])


def _log(place: Path) -> str:
    (path,) = place.glob("runs/toy/*/*/train.log")
    return path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("cache", ["auto", "memory", "none"])
def test_bad_images_are_skipped_and_counted(cache, tmp_path, capsys):
    table = pd.read_feather("data/toy/labels/labels_train.feather").sort_values("id")
    for name in (an_image().name, table["id"].iloc[-1]):
        (Path("data/toy/train") / name).write_bytes(b"no image")
    assert _run("--skip-bad-images", "--cache-imgs", cache) == 0
    assert "1 of 6 labelled images cannot be decoded and are skipped" in capsys.readouterr().err
    assert "1 of 6 unlabelled images cannot be decoded and are skipped" in _log(tmp_path)
    assert f"skipped: image data/toy/train/{an_image().name} cannot be decoded" in _log(tmp_path)


def test_what_was_checked_once_is_not_decoded_again(place, monkeypatch):
    an_image().write_bytes(b"no image")
    flags = ("--skip-bad-images", "--cache-imgs", "none")
    assert _run(*flags) == 0
    monkeypatch.setattr("loaders.pixels.cache.decode_all", lambda *_, **__: pytest.fail("decoded again"))
    assert _run(*flags) == 0


@pytest.mark.usefixtures("place")
def test_a_batch_larger_than_its_pool_is_fine():
    """Images are drawn with replacement."""
    assert _run("--batch-size", "32", "--mu", "2", "--n-imgs-per-epoch", "32") == 0


@pytest.mark.usefixtures("place")
def test_links_to_images_outside_are_fine(tmp_path):
    """They are what `--link` makes across file systems."""
    Path("outside").mkdir()
    for path in sorted(Path("data/toy/train").iterdir())[:4]:
        path.rename(Path("outside") / path.name)
        path.symlink_to(tmp_path / "outside" / path.name)
    Path("outside/train").mkdir()
    assert _run() == 0


@pytest.mark.usefixtures("place")
def test_names_that_look_odd_are_fine():
    """Separators, formulas, mathematics and other scripts; they are no paths and no commands."""
    odd = {"apple": "=apple", "oak tree": "../T-shirt/oak $_^", "sea": "Größe 海"}
    for part in ("train", "test"):
        path = Path(f"data/toy/labels/labels_{part}.feather")
        table = pd.read_feather(path)
        table["class"] = table["class"].map(odd)
        table.to_feather(path)
    assert split_maker.main(FLAGS["split"]) == 0
    splits = (
        "--train-split-pickle",
        "out/toy_labelled_data_2_seed0.pkl",
        "--valid-split-pickle",
        "out/toy_valid_data.pkl",
    )
    assert _run(*splits, "--classes-pickle", "out/toy_classes.pkl", "--unmatched-labels", "random") == 0
    (table,) = Path("runs").glob("toy/*/*/label_groups.csv")
    assert table.read_text(encoding="utf-8").splitlines()[1:] == [
        "../T-shirt/oak $_^,oak,head,0",
        "'=apple,apple,edit1,1",
        "Größe 海,,random,2",
    ]


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """Let each program import all that it needs: another user may not be able to read the packages."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("warm"))
    furnish(Path.cwd())
    for program, main in PROGRAMS.items():
        assert main(FLAGS[program]) == 0
    os.chdir(before)


@pytest.fixture
def plain_user(warm):
    """Rights count again: root, who may do anything, becomes nobody; the folder is one that nobody can reach."""
    before = Path.cwd()
    root = Path(tempfile.mkdtemp())
    root.chmod(0o777)
    os.chdir(root)
    furnish(root)
    Path("data").chmod(0o777)

    @contextlib.contextmanager
    def rights():
        is_root = os.geteuid() == 0
        if is_root:
            try:
                os.seteuid(65534)
            except OSError:
                pytest.skip("this system knows no other user")
        try:
            yield
        finally:
            if is_root:
                os.seteuid(0)

    yield rights
    os.chdir(before)
    subprocess.run(["chmod", "-R", "u+rwX", str(root)], check=True)
    shutil.rmtree(root)


_FORBIDDEN = [
    ("run", "data", ()),
    ("run", "data/toy", ()),
    ("run", "data/toy/labels", ()),
    ("run", "data/toy/labels/labels_train.feather", ()),
    ("run", "data/toy/train", ()),
    ("run", "split.pkl", ()),
    ("run", "classes.pkl", ()),
    ("run", "vectors.txt", ()),
    ("run", "shut", ("--word-vec-path", "shut/vectors.txt")),
    ("run", "shut", ("--output-dir", "shut/runs")),
    ("run", "shut", ("--label-terms", "shut/terms.csv")),
    ("run", "shut", ("--use-pretrained", "--checkpoint-path", "shut/w.pth")),
    ("run", "shut", ("@shut/a.flags",)),
    ("split", "data/toy", ()),
    ("split", "shut", ("--output-path", "shut/out")),
    ("split", "data/toy/train/000_000.png", ("--check", "split.pkl", "valid.pkl")),
    ("prepare", "source", ()),
    ("prepare", "source/train", ()),
    ("prepare", "source/train/ant", ()),
    ("prepare", "source/train/ant/0.png", ()),
    ("prepare", "shut", ("--output", "shut/data")),
    ("prepare", "shut", ("--source", "shut/source")),
]


@pytest.mark.parametrize(("program", "path", "flags"), _FORBIDDEN, ids=lambda value: str(value))
def test_what_may_not_be_read_is_named(program, path, flags, plain_user, capsys):
    Path("shut").mkdir()
    Path("home").mkdir(mode=0o777)
    Path(path).chmod(0)
    with plain_user():
        code = PROGRAMS[program]([*FLAGS[program], *flags])
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning: ")]
    assert (code, len(errors)) == (2, 1), errors
    assert errors[0].startswith("error: ")
    assert Path(path).name in errors[0]


def _process(script: list[str], *flags: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": tempfile.gettempdir()}
    return subprocess.run(
        [sys.executable, *script, *flags], capture_output=True, text=True, timeout=120, check=False, env=environment
    )


_SCRIPTS = {
    "run": [str(ROOT / "run_semco.py")],
    "split": [str(ROOT / "split_maker.py")],
    "prepare": ["-m", "loaders.prepare"],
}


@pytest.mark.parametrize(
    ("program", "flags", "words"),
    [
        ("run", ("--train-split-pickle", "evil.pkl"), "evil.pkl was not loaded: it asks for os.system"),
        ("run", ("--lamda-emb", "3"), "unknown flag --lamda-emb, did you mean --lambda-emb?"),
        ("run", ("--output-dir", "vectors.txt/runs"), "vectors.txt is a file, not a folder"),
        ("split", ("--dataset-name", "tyo"), "no dataset 'tyo'"),
        ("prepare", ("--source", "gone"), "--source gone is no folder"),
    ],
)
def test_a_real_process_answers_with_one_line(program, flags, words, place):
    Path("evil.pkl").write_bytes(EXECUTING["REDUCE"])
    before = sorted(place.rglob("*"))
    ended = _process(_SCRIPTS[program], *FLAGS[program], *flags)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    assert words in ended.stderr
    assert sorted(place.rglob("*")) == before


def test_a_linked_dataset_trains(place):
    for part in ("train", "test"):
        Path(f"source/{part}/ant").rename(f"source/{part}/apple")
        Path(f"source/{part}/bee").rename(f"source/{part}/sea")
    assert prepare.main([*FLAGS["prepare"], "--link"]) == 0
    assert split_maker.main([*FLAGS["split"], "--dataset-name", "fresh", "--instances-per-label", "1"]) == 0
    splits = (
        "--train-split-pickle",
        "out/fresh_labelled_data_1_seed0.pkl",
        "--valid-split-pickle",
        "out/fresh_valid_data.pkl",
    )
    assert _run("--dataset-name", "fresh", *splits, "--classes-pickle", "out/fresh_classes.pkl") == 0
