"""Which checkpoint a run goes on from, and which it refuses."""

import dataclasses
import logging
import os

import pytest
import torch

from tests.support.checkpoints import record, state_of
from utils.errors import SemcoError
from utils.files.lock import FolderLock
from utils.flags.config import Config
from utils.flags.parse import parse_config
from utils.processes.world import World
from utils.run.checkpoint import save_checkpoint
from utils.run.resume import _BY_CONTENT, MAY_CHANGE, Resume

ALONE = World(rank=0, size=1, device=torch.device("cpu"))
FACTS = {"training_set": "abc", "labelled_images": 4, "statistics": "computed just now"}


@pytest.fixture(autouse=True)
def _heard(monkeypatch, caplog):
    monkeypatch.setattr(logging.getLogger("semco"), "propagate", True)
    caplog.set_level(logging.INFO, "semco")


@pytest.fixture
def parse(tmp_path):
    """Return a function that parses flags for runs under tmp_path."""
    return lambda *flags: parse_config(["--train-split-pickle", "x.pkl", "--output-dir", str(tmp_path), *flags])


def _identity(resume, config, **other):
    return resume.identity(
        seed=max(config.seed, 0), facts={**FACTS, **other}, class_names=["cat", "dog"], label_vectors="def"
    )


def _content(config, *, epoch=2, steps=3, changes=()):
    identity = _identity(Resume(dataclasses.replace(config, resume=None)), config)
    return {**identity, **state_of(epoch=epoch, steps=steps), **dict(changes)}


def _run(config, name, **content):
    folder = config.output_dir / config.dataset_name / "x4" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    for place in ("last.pth", "previous.pth"):
        save_checkpoint(folder / place, _content(config, **content))
    return folder


def _choose(config, **facts):
    resume = Resume(config)
    return resume.choose(_identity(resume, config, **facts), world=ALONE)


def test_without_the_flag(parse):
    config = parse()
    _run(config, "some")
    assert _choose(config) is None


def test_nothing_there(parse, caplog):
    assert _choose(parse("--resume", "auto")) is None
    assert "starting a new run" in caplog.text


def test_the_furthest_run_wins_whatever_the_clock_says(parse):
    config = parse("--resume", "auto")
    behind = _run(config, "20300101-000000-seed123", epoch=2, steps=9)
    ahead = _run(config, "19700101-000000-seed123", epoch=3, steps=0)
    os.utime(behind / "last.pth", (4e9, 4e9))
    os.utime(ahead / "last.pth", (0, 0))
    assert _choose(config).folder == ahead


@pytest.mark.parametrize(
    "flags",
    [
        ("--lr", "0.5"), ("--mu", "7"), ("--batch-size", "32"), ("--n-epoches", "5"), ("--seed", "9"), ("--no-cotrain",),
        ("--use-pretrained", "--checkpoint-path", "w.pth"), ("--es-metric", "loss"), ("--amp-dtype", "float16"), ("--eps", "0"),
    ],
)  # fmt: skip
def test_other_flags_are_another_run(parse, caplog, flags):
    folder = _run(parse(), "run")
    assert _choose(parse("--resume", "auto", *flags)) is None
    assert f"the nearest run, {folder}, has other flags: {flags[0].replace('--no-', '--')} is" in caplog.text
    if flags[0] != "--n-epoches":
        with pytest.raises(SemcoError, match=f"{flags[0].replace('--no-', '--')} is .*, there .*only these may change"):
            Resume(parse("--resume", str(folder), *flags))


def test_flags_that_may_change(parse):
    folder = _run(parse(), "run")
    point = _choose(
        parse(
            "--resume", "auto", "--break-epoch", "5",
            "--early-stopping-epochs", "2", "--min-wait-before-es", "1", "--device", "cpu",
            "--num-workers-per-gpu", "0", "--cache-imgs", "disk", "--no-progress-bar", "--no-parallel", "--on-nan", "skip",
            "--nan-limit", "3", "--checkpoint-minutes", "1", "--train-split-pickle", "moved.pkl", "--dataset-path", "elsewhere",
        )
    )  # fmt: skip
    assert point.path == folder / "last.pth"
    names = {entry.name for entry in dataclasses.fields(Config)}
    assert {*MAY_CHANGE, *_BY_CONTENT} < names


def test_a_flag_that_the_checkpoint_does_not_know_had_its_default(parse):
    config = parse()
    saved = config.as_json()
    del saved["thr"]
    folder = _run(config, "run", changes={"config": saved})
    assert _choose(parse("--resume", "auto")).folder == folder
    with pytest.raises(SemcoError, match=r"--thr is 0\.5, there 0\.95"):
        Resume(parse("--resume", str(folder), "--thr", "0.5"))


def test_a_longer_schedule(parse, caplog):
    folder = _run(parse(), "run")
    assert _choose(parse("--resume", str(folder), "--n-epoches", "600")).folder == folder
    assert "--n-epoches is 600, it was 300: the learning rate jumps from 0.03 to 0.03 at step 2051" in caplog.text


def test_other_data(parse, caplog):
    folder = _run(parse(), "run")
    with pytest.raises(SemcoError, match="of other data, in which differ: training set, labelled images; name"):
        _choose(parse("--resume", str(folder)), training_set="other", labelled_images=5)
    assert _choose(parse("--resume", "auto"), training_set="other") is None
    assert "it is left alone" in caplog.text
    elsewhere = {"statistics": "from a file", "validation_source": "all images of another/path"}
    assert _choose(parse("--resume", "auto"), **elsewhere).folder == folder


def test_one_at_a_time(parse):
    folder = _run(parse(), "run")
    lock = FolderLock(folder)
    with pytest.raises(SemcoError, match="in use by process"):
        _choose(parse("--resume", "auto"))
    lock.release()
    point = _choose(parse("--resume", "auto"))
    with pytest.raises(SemcoError, match="in use by process"):
        FolderLock(folder)
    point.lock.release()


def _damage(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1  # in a tensor: a glance does not see it
    path.write_bytes(data)


@pytest.mark.parametrize("how", [_damage, lambda path: path.write_bytes(b"half"), lambda path: path.unlink()])
@pytest.mark.parametrize("what", ["auto", "", "last.pth"])
def test_a_damaged_newest_checkpoint(parse, caplog, how, what):
    folder = _run(parse(), "run")
    how(folder / "last.pth")
    point = _choose(parse("--resume", what if what == "auto" else str(folder / what)))
    assert point.path == folder / "previous.pth"
    if (folder / "last.pth").exists():
        assert "last.pth is damaged" in caplog.text


def test_nothing_but_damage(parse, caplog):
    config = parse()
    folder, whole = _run(config, "run", epoch=5), _run(config, "whole", epoch=1)
    for name in ("last.pth", "previous.pth"):
        _damage(folder / name)
    assert _choose(parse("--resume", "auto")).folder == whole
    with pytest.raises(SemcoError, match="previous.pth is damaged"):
        _choose(parse("--resume", str(folder)))
    FolderLock(folder).release()


@pytest.mark.parametrize(
    "wrong",
    [
        {"epoch": "2"}, {"history": [record(1)]}, {"history": [{"epoch": 1}, {"epoch": 2}]}, {"best_epoch": 7}, {"model": None},
        {"config": {}}, {"history": ["a", "b"]}, {"seed": None}, {"fingerprints": []},
    ],
)  # fmt: skip
def test_content_that_makes_no_sense(parse, wrong):
    folder = _run(parse(), "run", changes=wrong)
    with pytest.raises(SemcoError, match=r"previous\.pth is not the state of a run"):
        Resume(parse("--resume", str(folder)))
    assert _choose(parse("--resume", "auto")) is None


def test_paths(parse, tmp_path):
    folder = _run(parse(), "run")
    assert _choose(parse("--resume", str(folder / "previous.pth"))).path == folder / "previous.pth"
    with pytest.raises(SemcoError, match="does not exist"):
        Resume(parse("--resume", str(folder / "best.pth")))
    with pytest.raises(SemcoError, match="this folder has no checkpoint"):
        Resume(parse("--resume", str(tmp_path)))
    (tmp_path / "stray.pth").write_bytes((folder / "last.pth").read_bytes())
    with pytest.raises(SemcoError, match=r"is no run folder.*--use-pretrained"):
        Resume(parse("--resume", str(tmp_path / "stray.pth")))


def test_seeds(parse):
    assert Resume(parse("--seed", "5")).seed() == 5
    unseeded = parse("--seed", "-1")
    _run(unseeded, "run", changes={"seed": 77})
    again = dataclasses.replace(unseeded, resume="auto")
    assert Resume(again).seed() == 77
    assert Resume(parse("--seed", "77", "--resume", "auto")).seed() == 77
    assert len(Resume(parse("--seed", "77", "--resume", "auto"))._candidates) == 1


def test_processes_that_see_different_disks(parse):
    config = parse("--resume", "auto")
    _run(config, "run")
    other = dataclasses.make_dataclass("Other", ["is_main"], namespace={"agree": lambda self, place: -1})(False)
    resume = Resume(config)
    with pytest.raises(SemcoError, match="see different checkpoints"):
        resume.choose(_identity(resume, config), world=other)


@pytest.mark.parametrize("kind", ["link", "pipe", "unreadable", "text"])
def test_one_bad_folder_does_not_stop_auto(parse, tmp_path, caplog, kind):
    """The furthest run cannot be used, whatever is wrong with its folder; the next one can."""
    config = parse("--resume", "auto")
    bad, good = _run(config, "bad", epoch=5), _run(config, "good", epoch=1)
    if kind == "link":  # where the lock should be
        (tmp_path / "victim").write_text("kept")
        (bad / ".lock").symlink_to(tmp_path / "victim")
    elif kind == "pipe":  # in place of the checkpoint that stands in for a damaged one
        _damage(bad / "last.pth")
        (bad / "previous.pth").unlink()
        os.mkfifo(bad / "previous.pth")
    elif kind == "unreadable":
        for name in ("last.pth", "previous.pth"):
            (bad / name).unlink()
            (bad / name).symlink_to(bad / name)  # a link to itself
    else:
        for name in ("last.pth", "previous.pth"):
            (bad / name).write_text("text")
    found = _choose(config)
    found.lock.release()
    assert found.folder == good
    assert "bad" in caplog.text
    if kind == "link":
        assert (tmp_path / "victim").read_text() == "kept"
        with pytest.raises(SemcoError, match=r"\.lock is a link"):
            _choose(parse("--resume", str(bad)))


def test_fingerprints_that_only_one_version_records_are_not_compared(parse, caplog):
    config = parse("--resume", "auto")
    content = _content(config)
    fingerprints = {**content["fingerprints"], "of_the_future": "x"}
    del fingerprints["labelled_images"]
    folder = _run(config, "run", changes={"fingerprints": fingerprints})
    found = _choose(config)
    found.lock.release()
    assert found.folder == folder
    (line,) = [record.message for record in caplog.records if "are not compared" in record.message]
    assert "labelled images, of the future" in line
    with pytest.raises(SemcoError, match="in which differ: training set;"):
        _choose(parse("--resume", str(folder)), training_set="other")


def test_many_differences_are_counted(parse):
    folder = _run(
        parse(), "run", changes={"fingerprints": {**_identity_facts(), **{f"fact_{n}": n for n in range(15)}}}
    )
    with pytest.raises(SemcoError, match=r"fact 9 \(and 5 more\); name the same"):
        _choose(parse("--resume", str(folder)), **{f"fact_{n}": -1 for n in range(15)})


def _identity_facts():
    return {"training_set": "abc", "labelled_images": 4, "class_names": ["cat", "dog"], "label_vectors": "def"}
