"""What a machine can do, and the number format that an interrupted run keeps."""

import contextlib

import pytest
import torch

from models.assemble import _number_format, _ramp_up, check_machine
from models.networks.two_head import build_model
from utils.errors import SemcoError
from utils.flags.parse import parse_config
from utils.processes.world import World

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def _config(*flags):
    return parse_config(["--train-split-pickle", "x.pkl", *flags])


@pytest.mark.parametrize(
    ("began_in", "flags", "device", "expected"),
    [
        ("float32", (), CUDA, torch.float32),
        ("bfloat16", (), CPU, torch.bfloat16),
        ("float16", (), CUDA, torch.float16),
        ("float32", ("--amp-dtype", "bfloat16"), CPU, torch.float32),
        (None, ("--amp-dtype", "bfloat16"), CPU, torch.bfloat16),
        (None, ("--no-amp",), CUDA, torch.float32),
        ("float32", ("--no-amp",), CUDA, torch.float32),
    ],
)
def test_an_interrupted_run_keeps_its_number_format(began_in, flags, device, expected):
    assert _number_format(_config(*flags), device, began_in) is expected


def test_a_run_in_float16_does_not_resume_on_a_cpu():
    with pytest.raises(SemcoError, match="float16, which needs a GPU"):
        _number_format(_config(), CPU, "float16")


@pytest.mark.parametrize(
    ("flags", "size", "words"),
    [
        (("--amp-dtype", "float16"), 1, "for GPUs"),
        (("--batch-size", "7"), 2, "pass 6 or 8, or start 1 or 7 processes"),
        (("--cuda-graph",), 1, "needs a CUDA GPU"),
        (("--data-device", "cuda"), 1, "training is on the CPU"),
    ],
)
def test_what_a_cpu_cannot_do(flags, size, words):
    with pytest.raises(SemcoError, match=words):
        check_machine(_config(*flags), World(rank=0, size=size, device=CPU))


@pytest.mark.parametrize(
    ("flags", "ramps"),
    [
        ((), False),
        (("--ramp-up", "agreement"), True),
        (("--ramp-up", "agreement", "--lambda-emb", "0"), False),
        (("--ramp-up", "agreement", "--lam-u", "0"), False),
    ],
)
def test_what_ramps_up(flags, ramps):
    assert (_ramp_up(_config(*flags), 3, World.alone(CPU)) is not None) == ramps


_ONE = ("--model-backbone", "resnet18", "--no-imgnet-pretrained", "--lam-u", "0", "--batch-size", "1")


@pytest.mark.parametrize(("size", "batch"), [(1, "1"), (2, "2")])
def test_strong_views_apart_are_a_batch_too(size, batch):
    """With one unlabelled image per process, its strong view stands alone."""
    flags = (*_ONE, "--im-size", "32", "--cropsize", "32", "--batch-size", batch, "--lam-u", "1", "--mu", "1")
    world = World(rank=0, size=size, device=CPU)
    check_machine(_config(*flags), world)
    check_machine(_config(*flags, "--strong-bn", "separate", "--mu", "2"), world)
    with pytest.raises(SemcoError, match="leaves one image"):
        check_machine(_config(*flags, "--strong-bn", "separate"), world)


@pytest.mark.parametrize(("size", "batch"), [(1, "1"), (2, "2")])
def test_a_batch_that_batch_norm_cannot_normalise(size, batch):
    world = World(rank=0, size=size, device=CPU)
    flags = (*_ONE, "--batch-size", batch)
    with pytest.raises(SemcoError, match=rf"--batch-size {batch} leaves one image .* pass --batch-size {2 * size}, or"):
        check_machine(_config(*flags, "--im-size", "32", "--cropsize", "32"), world)
    for more in (
        ("--batch-size", "4"),
        ("--lam-u", "1"),
        ("--freeze-backbone",),
        ("--im-size", "40", "--cropsize", "33"),
    ):
        check_machine(_config(*flags, *more), world)


@pytest.mark.parametrize(
    ("backbone", "size", "works"),
    [
        ("resnet18", 32, False),
        ("resnet18", 33, True),
        ("resnet50", 32, False),
        ("resnet50", 33, True),
        ("wres", 8, True),
    ],
)
def test_what_batch_norm_can_normalise(backbone, size, works):
    """The sizes from which the check above draws its line."""
    network = build_model(
        backbone=backbone, num_classes=2, embedding_dim=2, pretrained=False, wres_depth=10, wres_width=1
    ).train()
    with contextlib.nullcontext() if works else pytest.raises(ValueError, match="more than 1 value per channel"):
        network(torch.zeros(1, 3, size, size))


def test_a_graph_is_for_one_gpu():
    with pytest.raises(SemcoError, match="for one GPU"):
        check_machine(_config("--cuda-graph"), World(rank=0, size=2, device=CUDA))
    check_machine(_config("--cuda-graph"), World.alone(CUDA))
    with pytest.raises(SemcoError, match="drop --cache-imgs none"):
        check_machine(_config("--data-device", "cuda", "--cache-imgs", "none"), World.alone(CUDA))
