"""A few real steps are made and timed; the figures of an epoch and of a run follow from them."""

import dataclasses

import numpy as np
import pytest
import torch

from loaders.batches import EvaluationBatch, TrainBatch
from models import cost as cost_module
from models.assemble import build_network, build_trainer
from models.cost import RunCost, format_cost, measure_cost
from utils.flags.parse import parse_config
from utils.labels.grouping import group_labels
from utils.labels.semantics import LabelSemantics
from utils.processes.world import World

CPU = torch.device("cpu")


@dataclasses.dataclass
class _Validation:
    """Two batches of 4 that stand for 40 images."""

    def __len__(self):
        return 40

    def __iter__(self):
        for _ in range(2):
            yield EvaluationBatch(torch.zeros(4, 3, 16, 16), torch.zeros(4, dtype=torch.int64))


def _trainer():
    flags = [
        "--batch-size",
        "4",
        "--n-imgs-per-epoch",
        "200",
        "--wres-n",
        "10",
        "--wres-k",
        "1",
        "--bn-momentum",
        "0.1",
    ]
    config = parse_config(["--train-split-pickle", "x", "--no-amp", *flags])
    vectors = np.eye(7, dtype=np.float32)
    semantics = LabelSemantics(matches=(), vectors=vectors, grouping=group_labels(vectors), warnings=())
    return build_trainer(config, build_network(config, semantics), semantics, world=World.alone(CPU))


def _batches():
    while True:
        yield TrainBatch(torch.randn(12, 3, 16, 16), torch.zeros(4, dtype=torch.int64))


def test_measure():
    trainer = _trainer()
    before = [parameter.clone() for parameter in trainer.model.parameters()]
    cost = measure_cost(trainer, _batches(), _Validation())
    assert cost.step_seconds > 0
    assert cost.epoch_seconds == pytest.approx(50 * cost.step_seconds)
    assert cost.evaluation_seconds > 0
    assert 50 * 2**20 < cost.memory < 2**40
    assert not all(torch.equal(*pair) for pair in zip(before, trainer.model.parameters(), strict=True))
    assert trainer.history.records == []


def test_long_steps_are_timed_once(monkeypatch):
    monkeypatch.setattr(cost_module, "_LONG", 0.0)
    trainer, made = _trainer(), []
    monkeypatch.setattr(trainer, "train_step", lambda *_, **__: made.append(1))
    assert measure_cost(trainer, _batches(), _Validation()).step_seconds > 0
    assert len(made) == 2


@pytest.mark.gpu
def test_memory_of_the_gpu():
    torch.empty(2**28, dtype=torch.uint8, device="cuda")
    from models.cost import _peak_memory

    assert _peak_memory(torch.device("cuda")) >= 2**28


def test_format():
    cost = RunCost(step_seconds=0.0123, epoch_seconds=59.0, evaluation_seconds=1.0, memory=3 * 2**29)
    text = format_cost(cost, epochs=300)
    assert text == (
        "cost: 1.50 GiB of memory at most; 12.3 ms per step, 59.0 s per epoch and 1.0 s to evaluate it, 5 h 00 min for 300 epochs"
    )
    assert "2 min for 2 epochs" in format_cost(cost, epochs=2)
    assert "at most 2 min for 2 epochs" in format_cost(cost, epochs=2, starts_supervised=True)
