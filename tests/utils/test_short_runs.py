"""When a run is so short that supervised training does as well, and what is said then."""

import math
import shlex

import pytest

from utils.flags.parse import parse_config
from utils.short_runs import SEEN_WITHOUT_GAIN, takes_unlabelled, times_seen, warn_of_short_run


def _warn(seen, arguments=("@recipes/x y.flags", "--seed", "1")):
    return warn_of_short_run(seen=seen, images_per_labelled=7, arguments=list(arguments))


def test_how_often_a_labelled_image_is_seen():
    assert times_seen(steps=1000, batch_size=16, labelled=40) == 400
    assert times_seen(steps=1000, batch_size=16, labelled=2500) == 6.4


def test_only_short_runs_are_told():
    assert _warn(SEEN_WITHOUT_GAIN + 0.1) is None
    text = _warn(6.4)
    assert f"sees each labelled image 6.4 times: up to {SEEN_WITHOUT_GAIN} times" in text
    assert "1/7 of the images" in text
    assert "\n" not in text
    assert _warn(SEEN_WITHOUT_GAIN)


@pytest.mark.parametrize(
    ("losses", "start", "takes"),
    [
        ([], 0.0, True),
        ([], 0.5, False),
        ([0.70], 0.5, False),  # exp(-0.70) is 0.497
        ([0.69], 0.5, True),
        ([0.69, 2.0], 0.5, True),  # once is enough
        ([math.nan], 0.5, False),
        ([math.inf], 0.5, False),
        ([None, "x"], 0.5, False),
    ],
)
def test_unlabelled_images_take_part_once_the_labelled_ones_are_learnt(losses, start, takes):
    assert takes_unlabelled([{"class_labelled": loss} for loss in losses], start) == takes


def test_the_command_is_the_supervised_run(tmp_path):
    flags = tmp_path / "my flags.flags"
    flags.write_text("--train-split-pickle x.pkl --mu 7 --lambda-emb 2\n")
    command = shlex.split(_warn(1, arguments=(f"@{flags}", "--seed", "1")).split("train that: ")[1])
    assert command[:2] == ["python", "run_semco.py"]
    config = parse_config(command[2:])
    assert (config.lam_u, config.lambda_emb, config.mu, config.seed) == (0, 0, 7, 1)
