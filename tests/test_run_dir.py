"""The run folder and its log."""

import dataclasses
import json
import logging
import os
import tempfile

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from utils.checkpoint import load_checkpoint
from utils.command_line import parse_config
from utils.errors import SemcoError
from utils.label_grouping import Grouping
from utils.label_matching import LabelMatch
from utils.label_semantics import LabelSemantics
from utils.run_dir import RunDir, check_output_folder, create_run_folder, logging_for

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
        with RunDir(config, num_labelled=4) as folder:
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
    events = EventAccumulator(str(path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("valid/top1")] == [(1, 50.0), (2, 60.0)]
    assert {"train/loss", "train/lr", "train/mask_rate", "valid/loss"} <= set(events.Tags()["scalars"])


def test_other_processes_write_nothing(config, tmp_path):
    with RunDir(config, num_labelled=4, writes=False) as folder:
        folder.write_config(config, resolved={})
        folder.write_epoch({"history": [RECORD]}, is_best=True)
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_logged(config):
    with pytest.raises(SemcoError), logging_for(talks=True), RunDir(config, num_labelled=4) as folder:
        raise SemcoError("the loss is no longer finite")
    assert "ERROR SemcoError: the loss is no longer finite" in (folder.path / "train.log").read_text()


def test_screen(capsys):
    before = list(logging.getLogger("semco").handlers)
    with logging_for(talks=True):
        logging.getLogger("semco").info("hello")
        logging.getLogger("semco").warning("careful")
    with logging_for(talks=False):
        logging.getLogger("semco").warning("silent")
    shown = capsys.readouterr()
    assert shown.out == "hello\n"
    assert shown.err == "warning: careful\n"
    assert logging.getLogger("semco").handlers == before


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
        RunDir(dataclasses.replace(config, dataset_name="x"), num_labelled=1)
