"""Benchmarks compare like with like, and count as they say."""

import time

import pytest
import torch

from benchmarks.label_matching import generated_vocabulary, imagenet_names
from benchmarks.parts import bench_training
from benchmarks.parts.straightforward import PillowViews
from benchmarks.parts.timing import Stopwatch, growth_exponent, in_turn
from benchmarks.parts.workload import build_workload, losses_of

SMALL = {"batch": 2, "mu": 1, "width": 1, "steps": 2, "images": 40, "classes": 4, "dim": 8}


def test_both_trainers_see_the_same_views():
    work = build_workload("cpu", **SMALL)
    store = work.pool.store
    images = store.pixels.view(len(store), 32, 32, 3).numpy()
    views = PillowViews(images, work.pool.labels, work.plan(), 32)
    for step, batch in enumerate(work.batches()):
        theirs, labels = views[step]
        assert torch.equal(labels, batch.labels)
        # Warps may differ by a level in a pixel of a thousand.
        assert (theirs - batch.images).abs().max() <= 1.01 / 255 / 0.25
        assert ((theirs - batch.images).abs() > 1e-4).double().mean() < 1e-3


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")  # on a machine of one core
def test_both_trainers_compute_the_same_loss():
    ours = build_workload("cpu", **SMALL)
    theirs = bench_training._straightforward(ours, 32)
    assert theirs.epoch() == pytest.approx(losses_of(ours), rel=2e-2)


def test_generated_vocabulary():
    names = imagenet_names()
    terms = generated_vocabulary(names, 3000)
    assert len(names) == 1000
    assert len(set(terms)) == len(terms) == 3000
    assert terms == generated_vocabulary(names, 3000)


def test_growth_exponent():
    assert growth_exponent([1, 10, 100], [3, 30, 300]) == pytest.approx(1)
    assert growth_exponent([1, 10, 100], [3, 3, 3]) == pytest.approx(0, abs=1e-9)


def test_runs_take_turns():
    order = []
    found = in_turn({"a": lambda: order.append("a"), "b": lambda: (order.append("b"), time.sleep(0.01))}, repetitions=3)
    assert order == ["a", "b"] * 4
    assert found["b"] >= 0.01 > found["a"]


def test_stopwatch():
    class Sleeper:
        def sleep(self, seconds):
            time.sleep(seconds)
            return seconds

    watch, sleeper = Stopwatch(), Sleeper()
    watch.watch("sleep", sleeper, "sleep")
    assert [sleeper.sleep(0.01) for _ in range(3)] == [0.01] * 3
    assert watch.seconds["sleep"] >= 0.03


def test_every_convolution_counts_towards_the_ceiling(monkeypatch):
    timed, original = [], bench_training._convolution

    def timing(work, module, *arguments):
        timed.append(module)
        assert original(work, module, *arguments) > 0
        return 1.0

    monkeypatch.setattr(bench_training, "_convolution", timing)
    work = build_workload("cpu", **SMALL)
    convolutions = [module for module in work.trainer.model.modules() if isinstance(module, torch.nn.Conv2d)]
    assert bench_training.convolution_seconds(work, 4, repetitions=1) == len(convolutions) == len(timed)
    assert set(timed) == set(convolutions)


def test_the_shares_of_a_step_add_up():
    shares = bench_training.shares("cpu", torch.float32, steps=1)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-3)
    assert min(shares.values()) >= 0
    assert {"data", "forward", "loss", "backward", "optimiser", "average", "rest"} == shares.keys()
