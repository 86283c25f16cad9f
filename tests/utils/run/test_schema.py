"""What a checkpoint may hold: everything else is refused by name before a run folder is touched."""

import re
from collections import OrderedDict

import pytest
import torch

from models.losses import LossParts
from tests.support.checkpoints import record, run_content
from utils.run.schema import MAY_DIVERGE, find_fault

NAN = float("nan")


def _overlapping():
    return torch.zeros(1).expand(1000)


def _planted():
    table = OrderedDict(w=torch.zeros(3))
    table.items = "not a method"
    return table


def test_a_run_s_own_content_is_fine():
    for epoch, steps in ((0, 0), (2, 3), (2, 1024), (300, 0)):
        assert find_fault(run_content(epoch=epoch, steps=steps), looks_at_numbers=True) is None
    assert find_fault({**run_content(), "inference": {"anything": torch.zeros(3)}}, looks_at_numbers=True) is None


def test_the_state_of_a_ramp_is_looked_at():
    content = {**run_content(), "ramp_up": {"agreement": torch.tensor(0.5), "by_class": torch.zeros(3)}}
    assert find_fault(content, looks_at_numbers=True) is None
    for wrong in ({"agreement": torch.tensor(NAN)}, {"agreement": 0.5}, 5):
        assert "ramp_up" in find_fault({**content, "ramp_up": wrong}, looks_at_numbers=True)


def test_the_state_of_a_loss_scale_is_fine():
    scale = {
        "scale": 65536.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 2000,
        "_growth_tracker": 0,
    }
    for precision in (scale, {"loss_scaler0": {"loss_scale": 65536.0, "unskipped": 3}}, {}, None):
        assert find_fault({**run_content(), "precision": precision}, looks_at_numbers=True) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 1025}, "steps is 1025 of 1024"), ({"steps": -1}, "steps is -1"), ({"steps": 2.0}, "steps"),
        ({"epoch": -1}, "epoch is -1"), ({"epoch": 10**9}, "epoch"), ({"epoch": True}, "epoch"), ({"epoch": 10**5000}, "epoch"),
        ({"epoch": 3}, "history does not fit"), ({"best_epoch": 3}, "best_epoch is 3"), ({"best_epoch": 0}, "best_epoch"),
        ({"images": "many"}, "images"), ({"images": None}, "images"),
        ({"seconds": "long"}, "seconds"), ({"seconds": -1.0}, "seconds"),
        ({"seconds": NAN}, "seconds"), ({"seed": -5}, "seed"), ({"seed": "x"}, "seed"),
        ({"number_format": "int8"}, "number_format"),
        ({"history": [record(1), {**record(2), "loss": {"a": 1}}]}, "record 2 .* loss"),
        ({"history": [record(1), {**record(2), "loss": torch.zeros(())}]}, "record 2"),
        ({"history": [record(1), {**record(2), "loss": 1e301}]}, "record 2"),
        ({"history": [record(1), {**record(2), "\udcff": 1.0}]}, "odd names"),
        ({"history": [record(1), {**record(2), 7: 1.0}]}, "odd names"),
        ({"history": [record(2), record(1)]}, "another epoch"), ({"history": [record(1), "text"]}, "no table"),
        ({"history": [record(1), {"epoch": 2}]}, "no number for loss"),
        ({"config": {"n_epoches": 0}}, "n_epoches is 0"), ({"config": {}}, "n_epoches is NoneType"),
        ({"config": {1: 2}}, "odd names"),
        ({"config": {"lr": torch.zeros(())}}, "neither text nor number"), ({"config": []}, "config is no table"),
        ({"fingerprints": {}}, "lack training_set"), ({"precision": {"scale": NAN}}, "precision"),
        ({"model": {"w": torch.full((3,), NAN)}}, "model: w"), ({"ema": {"w": torch.full((3,), float("inf"))}}, "ema: w"),
        ({"model": {"w": torch.zeros(3).to_sparse()}}, "model: w"), ({"model": {"w": _overlapping()}}, "overlap"),
        ({"model": {5: torch.zeros(3)}}, "odd names"), ({"model": {"w": "text"}}, "no tensor"),
        ({"model": _planted()}, "attributes"),
        ({"optimizer": {0: {"momentum_buffer": torch.full((3,), NAN)}}}, "optimizer"), ({"optimizer": {"a": {}}}, "odd names"),
        ({"optimizer": {0: {"momentum_buffer": _overlapping()}}}, "overlap"), ({"tally": {}}, "tally lacks"),
        ({"tally": {**run_content()["tally"], "sums": torch.zeros(1)}}, "another shape"),
        ({"tally": {**run_content()["tally"], "step": torch.tensor([5])}}, "another shape"),
        ({"tally": {**run_content()["tally"], "step": torch.tensor(-5)}}, "step is out of range"),
        ({"precision": {"scale": "text"}}, "precision"), ({"precision": {"scale": 1e99}}, "precision"),
        ({"precision": {"scale": [1.0]}}, "precision"), ({"precision": {"a": {"b": {"c": {}}}}}, "precision"),
        ({"history": [{**record(1), "epoch": 1.0}, record(2)]}, "another epoch"),
        ({"fingerprints": {**run_content()["fingerprints"], "x": "\ud800"}}, "odd text"),
        ({"rng": {}}, "rng lacks"), ({"rng": {"cpu": torch.zeros(3)}}, "rng"),
    ],
)  # fmt: skip
def test_what_no_run_writes_is_named(changes, words):
    fault = find_fault({**run_content(), **changes}, looks_at_numbers=True)
    assert fault is not None
    assert re.search(words, fault), fault
    assert len(fault) < 300


@pytest.mark.parametrize("broken", [NAN, float("inf")])
def test_a_run_that_diverges_writes_losses_that_are_not_finite(broken):
    for name in MAY_DIVERGE:
        content = {**run_content(), "history": [record(1), {**record(2), name: broken}]}
        assert find_fault(content, looks_at_numbers=True) is None, name
    for name in ("sums", "first_broken_parts"):
        content = run_content()
        content["tally"][name][0] = broken
        assert find_fault(content, looks_at_numbers=True) is None, name
    assert set(LossParts._fields) - {"total"} - set(MAY_DIVERGE) == {"mask_rate", "emb_mask_rate", "any_mask_rate"}


@pytest.mark.parametrize("broken", [NAN, float("inf")])
def test_counts_of_a_run_that_diverges_stay_finite(broken):
    for name in ("top1", "top5_emb", "mask_rate", "seconds", "lr", "anything"):
        content = {**run_content(), "history": [record(1), {**record(2), name: broken}]}
        assert f"record 2 of history has no number for {name}" in find_fault(content, looks_at_numbers=True)
    content = run_content()
    content["tally"]["sums"][-1] = broken
    assert find_fault(content, looks_at_numbers=True) == "tally: sums count no steps"
