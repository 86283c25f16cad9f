"""The run folder and its log."""

import dataclasses
import datetime
import errno
import json
import logging
import os
import shutil
import tempfile

import numpy as np
import pytest

from tests.support.run_equality import read_events
from utils.errors import SemcoError
from utils.files.lock import FolderLock
from utils.flags.parse import parse_config
from utils.labels.grouping import Grouping
from utils.labels.matching import LabelMatch
from utils.labels.semantics import LabelSemantics
from utils.run import folder as run_dir
from utils.run.checkpoint import load_checkpoint
from utils.run.folder import RunFolder, check_output_folder, create_run_folder
from utils.run.log import logging_for
from utils.run.resume import InterruptedRun

RECORD = {
    "epoch": 1, "step": 10, "loss": 2.5, "mask_rate": 0.25, "emb_mask_rate": 0.5, "lr": 0.03, "images_per_second": 99.0,
    "seconds": 3.0, "top1": 50.0, "top5": 80.0, "top1_emb": 40.0, "top5_emb": 70.0, "top1_combined": 51.0, "valid_loss": 1.25,
}  # fmt: skip
SEMANTICS = LabelSemantics(
    matches=(LabelMatch("a dog", "dog", "head"), LabelMatch("cat, big", "cat", "head")),
    vectors=np.eye(2, dtype=np.float32),
    grouping=Grouping(ids=np.array([0, 1]), eps=0.15, degenerated=True),
    warnings=(),
)


@pytest.fixture
def config(tmp_path):
    return parse_config(["--train-split-pickle", "x.pkl", "--output-dir", str(tmp_path), "--seed", "7"])


def test_folder_name(tmp_path):
    first = create_run_folder(tmp_path, dataset="cifar100", num_labelled=2500, seed=7)
    second = create_run_folder(tmp_path, dataset="cifar100", num_labelled=2500, seed=7)
    assert first.parent == tmp_path / "cifar100" / "x2500"
    assert first.name.endswith("-seed7")
    assert first != second
    assert second.is_dir()


def test_records(config):
    second = {**RECORD, "epoch": 2, "top1": 60.0}
    with logging_for(talks=True):
        logging.getLogger("semco").info("before the folder")
        with RunFolder(config, identity={}, num_labelled=4) as folder:
            folder.write_config(config, resolved={"precision": "float32"})
            folder.write_labels(SEMANTICS)
            folder.write_epoch({"history": [RECORD]}, is_best=True)
            folder.write_epoch({"history": [RECORD, second]}, is_best=False)
            folder.write_summary([RECORD, second], best_epoch=2)
            folder.draw_pictures(SEMANTICS)
            logging.getLogger("semco").warning("in the folder")
    path = folder.path
    content = json.loads((path / "config.json").read_text())
    assert (content["flags"]["mu"], content["resolved"]["precision"]) == (3, "float32")
    assert content["environment"]["torch"]
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    assert [line["top1"] for line in lines] == [50.0, 60.0]
    log = (path / "train.log").read_text()
    assert "INFO before the folder" in log
    assert "WARNING in the folder" in log
    assert (path / "label_groups.csv").read_text().splitlines()[2] == '"cat, big",cat,head,1'
    assert json.loads((path / "summary.json").read_text())["median_of_last_20"]["top1"] == 55.0
    assert len(load_checkpoint(path / "last.pth")["history"]) == 2
    assert len(load_checkpoint(path / "best.pth")["history"]) == 1
    assert {"learning_curves.png", "label_groups.png"} <= {entry.name for entry in path.iterdir()}
    events = read_events(path / "tensorboard")
    assert events["valid/top1"] == [(1, 50.0), (2, 60.0)]
    assert {"train/loss", "train/lr", "train/mask_rate", "valid/loss"} <= set(events)


def test_other_processes_write_nothing(config, tmp_path):
    with RunFolder(config, identity={}, num_labelled=4, writes=False) as folder:
        folder.write_config(config, resolved={})
        folder.write_epoch({"history": [RECORD]}, is_best=True)
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_logged(config):
    with pytest.raises(SemcoError), logging_for(talks=True), RunFolder(config, identity={}, num_labelled=4) as folder:
        raise SemcoError("the loss is no longer finite")
    assert "ERROR SemcoError: the loss is no longer finite" in (folder.path / "train.log").read_text()


def test_output_folder(config, tmp_path, monkeypatch):
    check_output_folder(tmp_path / "new" / "deep")
    (tmp_path / "plain").write_text("")
    with pytest.raises(SemcoError, match="is a file, not a folder"):
        check_output_folder(tmp_path / "plain" / "runs")
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", lambda **_: (_ for _ in ()).throw(PermissionError(13, "denied")))
        with pytest.raises(SemcoError, match="may not be written"):
            check_output_folder(tmp_path / "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["plain"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SemcoError, match="cannot write"):
        RunFolder(dataclasses.replace(config, dataset_name="x"), identity={}, num_labelled=1)


def test_a_run_that_goes_on_in_its_folder(config):
    """Metrics and events that are newer than the checkpoint are written again, not twice."""
    second = {**RECORD, "epoch": 2, "top1": 60.0}
    with RunFolder(config, identity={}, num_labelled=4) as folder:
        folder.write_epoch({"history": [RECORD]}, is_best=True)
        folder.write_epoch({"history": [RECORD, second]}, is_best=True)
    interrupted = InterruptedRun(
        folder.path / "previous.pth", load_checkpoint(folder.path / "previous.pth"), FolderLock(folder.path)
    )
    with RunFolder(config, identity={}, num_labelled=4, interrupted=interrupted) as again:
        assert again.path == folder.path
        assert len((folder.path / "metrics.jsonl").read_text().splitlines()) == 1
        assert read_events(folder.path / "tensorboard")["valid/top1"] == [(1, 50.0)]
        again.write_epoch({"history": [RECORD, {**second, "top1": 61.0}]}, is_best=True)
    assert read_events(folder.path / "tensorboard")["valid/top1"] == [(1, 50.0), (2, 61.0)]
    assert [len(load_checkpoint(folder.path / name)["history"]) for name in ("last.pth", "previous.pth")] == [2, 2]


def test_one_run_a_folder(config):
    with (
        RunFolder(config, identity={}, num_labelled=4) as folder,
        pytest.raises(SemcoError, match=r"in use by process \d+ on"),
    ):
        FolderLock(folder.path)
    FolderLock(folder.path).release()


def test_a_folder_that_vanishes(config):
    with RunFolder(config, identity={}, num_labelled=4) as folder:
        folder.save({"history": []})
        shutil.rmtree(folder.path)
        for write in (
            lambda: folder.save({"history": []}),
            lambda: folder.write_epoch({"history": [RECORD]}, is_best=True),
            lambda: folder.write_summary([RECORD], 1),
            lambda: folder.write_labels(SEMANTICS),
        ):
            with pytest.raises(SemcoError, match=r"has vanished.*--resume"):
                write()
        assert not folder.path.exists()


def test_a_disk_that_is_full_for_events(config, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with RunFolder(config, identity={}, num_labelled=4) as folder:
        monkeypatch.setattr(folder._events._file, "flush", full)
        folder.write_epoch({"history": [RECORD]}, is_best=True)
        monkeypatch.undo()
    assert len(load_checkpoint(folder.path / "last.pth")["history"]) == 1


def test_where_the_last_checkpoint_is(config):
    with RunFolder(config, identity={}, num_labelled=4) as folder:
        assert folder.last_checkpoint() == "there is no checkpoint yet"
        folder.save({"history": []})
        folder.save({"history": []})
        assert folder.last_checkpoint() == f"the last good checkpoint is {folder.path / 'last.pth'}"
        (folder.path / "last.pth").unlink()
        assert folder.last_checkpoint().endswith("previous.pth")


def test_a_clock_that_goes_back(tmp_path, monkeypatch):
    """A name that is taken gets a number, whatever the clock says."""

    class Stuck(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls(2020, 1, 1)

    monkeypatch.setattr(run_dir.datetime, "datetime", Stuck)
    names = [create_run_folder(tmp_path, dataset="d", num_labelled=1, seed=0).name for _ in range(3)]
    assert names == ["20200101-000000-seed0", "20200101-000000-seed0-2", "20200101-000000-seed0-3"]
