"""Every choice and every switch of the command line trains, or says what it needs."""

import dataclasses
import itertools
import json
import shutil

import numpy as np
import pytest
import torch

import run_semco
from tests.support.tiny_runs import equal, flags_for, train, weights
from utils.flags.config import Config

pytestmark = pytest.mark.usefixtures("no_pictures")
# What each choice and switch of the command line is tried with; a choice that nobody tries fails the test below this list.
TRIED = {
    "cache_imgs": ["auto", "memory", "disk", "none"],
    "unmatched_labels": ["error", "random"],
    "shared_terms": ["compose", "keep"],
    "model_backbone": ["wres", "resnet18", "resnet50"],
    "es_metric": ["accuracy", "loss"],
    "optimizer": ["sgd", "adamw"],
    "device": ["auto", "cpu"],
    "amp_backend": ["auto", "torch"],
    "amp_dtype": ["auto", "bfloat16"],
    "data_device": ["auto", "cpu"],
    "on_nan": ["stop", "skip"],
    "strong_bn": ["shared", "separate"],
    "ramp_up": ["none", "agreement"],
}
# Tried elsewhere: the stand-in for apex in test_precision.py; what needs a GPU in test_gpu.py.
ELSEWHERE = {("amp_backend", "apex"), ("amp_dtype", "float16"), ("device", "cuda"), ("data_device", "cuda")}
SWITCHES = [
    ["--skip-bad-images"],
    ["--no-cotrain"],
    ["--no-imgnet-pretrained", "--model_backbone", "resnet18"],
    ["--freeze-backbone"],
    ["--amp", "--amp-dtype", "bfloat16"],
    ["--no-parallel"],
    ["--no_progress_bar"],
    ["--lambda-emb", "0"],
    ["--lambda-emb", "0", "--lam-u", "0"],
    ["--lam-u", "0"],
    ["--supervised-start", "0.9"],
    ["--shuffle-vectors"],
    ["--eps", "0"],
    ["--eps", "2"],
    ["--cropsize", "12"],
    ["--break-epoch", "1"],
    ["--early-stopping-epochs", "1", "--min-wait-before-es", "0"],
    ["--weight-decay", "0"],
    ["--layer-decay", "0.5"],
    ["--mu", "40"],
]


def test_every_choice_is_tried():
    for entry in dataclasses.fields(Config):
        for choice in entry.metadata.get("choices", ()):
            assert choice in TRIED.get(entry.name, ()) or (entry.name, choice) in ELSEWHERE, (entry.name, choice)
    switches = {entry.name.replace("_", "-") for entry in dataclasses.fields(Config) if isinstance(entry.default, bool)}
    said = {flag.replace("_", "-").removeprefix("--").removeprefix("no-") for flag in itertools.chain(*SWITCHES)}
    # Tried below, in test_gpu.py, and by tests of their own; a preview trains nothing and leaves no summary.
    assert switches - said <= {"use-pretrained", "cuda-graph", "compile", "sync-bn", "preview"}


@pytest.mark.parametrize(("flag", "choice"), [(flag, choice) for flag, some in TRIED.items() for choice in some])
def test_every_choice_trains(tiny_dataset, tmp_path, flag, choice):
    amp = ["--amp"] if flag.startswith("amp") else []
    folder = train(tiny_dataset, tmp_path, f"--{flag}", choice, "--no-imgnet-pretrained", "--n-epoches", "1", *amp)
    assert json.loads((folder / "config.json").read_text())["flags"][flag] == choice


@pytest.mark.parametrize("switch", SWITCHES, ids=" ".join)
def test_every_switch_trains(tiny_dataset, tmp_path, switch):
    folder = train(tiny_dataset, tmp_path, *switch)
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert np.isfinite(last["loss"])
    if "--lam-u" in switch:
        assert last["class_unlabelled"] == last["emb_unlabelled"] == last["mask_rate"] == 0
    elif "--lambda-emb" in switch:
        assert last["loss"] == pytest.approx(last["class_labelled"] + last["class_unlabelled"], rel=1e-5)
    assert ("top1_emb" in last) == ("--lambda-emb" not in switch)  # what is not trained is not measured
    assert ("embedding head" in (folder / "train.log").read_text()) == ("top1_emb" in last)
    if "--break-epoch" in switch:
        assert last["epoch"] == 1
        assert last["lr"] == pytest.approx(0.03 * np.cos(7 * np.pi * 2 / (16 * 6)))


def test_options_for_short_runs_are_off_unless_asked_for(tiny_dataset, tmp_path):
    plain = weights(train(tiny_dataset, tmp_path / "a"))
    off = ("--strong-bn", "shared", "--ramp-up", "none", "--supervised-start", "0")
    spelt_out = weights(train(tiny_dataset, tmp_path / "b", *off))
    assert equal(plain, spelt_out)
    others = ("--strong-bn separate", "--ramp-up agreement", "--ema-alpha auto", "--supervised-start 0.9")
    for number, more in enumerate(map(str.split, others)):
        assert not equal(plain, weights(train(tiny_dataset, tmp_path / str(number), *more))), more


@pytest.mark.parametrize("flags", [["--lambda-emb", "0"], ["--lam-u", "0"]], ids=" ".join)
def test_without_two_heads_and_pseudo_labels_nothing_ramps_up(tiny_dataset, tmp_path, flags):
    plain = weights(train(tiny_dataset, tmp_path / "a", *flags))
    assert equal(plain, weights(train(tiny_dataset, tmp_path / "b", *flags, "--ramp-up", "agreement")))


@pytest.mark.parametrize(
    "more", [[], ["--strong-bn", "separate", "--ramp-up", "agreement"]], ids=["plain", "for short runs"]
)
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on the CPU")
@pytest.mark.filterwarnings("default")
def test_a_compiled_network_trains_alike(tiny_dataset, tmp_path, more):
    plain = train(tiny_dataset, tmp_path / "a", "--n-epoches", "1", *more)
    compiled = train(tiny_dataset, tmp_path / "b", "--n-epoches", "1", "--compile", *more)
    losses = [json.loads((folder / "metrics.jsonl").read_text())["loss"] for folder in (plain, compiled)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--cuda-graph"], "--cuda-graph needs a CUDA GPU"),
        (["--data-device", "cuda"], "training is on the CPU"),
        (["--amp", "--amp-dtype", "float16"], "is for GPUs"),
        (["--amp", "--amp-backend", "apex"], "apex"),
    ],
)
def test_what_needs_a_gpu_says_so(tiny_dataset, tmp_path, capsys, flags, message):
    assert run_semco.main(flags_for(tiny_dataset, tmp_path / "out", *flags)) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_frozen_backbone_does_not_move(tiny_dataset, tmp_path):
    first = weights(train(tiny_dataset, tmp_path / "a", "--freeze-backbone", "--break-epoch", "1"))
    second = weights(train(tiny_dataset, tmp_path / "b", "--freeze-backbone"))
    moved = {name for name in first if not torch.equal(first[name], second[name])}
    assert moved
    assert all(".fc_" in name for name in moved)


def test_starting_from_a_checkpoint(tiny_dataset, tmp_path):
    start = train(tiny_dataset, tmp_path / "a")
    more = ["--use-pretrained", "--checkpoint-path", str(start / "last.pth"), "--lr", "1e-9", "--ema-alpha", "0"]
    second = weights(train(tiny_dataset, tmp_path / "b", *more))
    first = weights(start)
    for name, value in second.items():
        if name.startswith("model.") and value.is_floating_point() and "running" not in name:
            torch.testing.assert_close(value, first["ema." + name.removeprefix("model.")], atol=1e-6, rtol=1e-5)
