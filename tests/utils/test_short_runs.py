"""When a run is so short that supervised training does as well, and what is said then."""

import shlex

import pytest

from utils.flags.parse import parse_config
from utils.short_runs import steps_without_gain, warn_of_short_run


def _warn(steps, labels_per_class, arguments=("@recipes/x y.flags", "--seed", "1")):
    return warn_of_short_run(
        steps=steps, labels_per_class=labels_per_class, images_per_labelled=7, arguments=list(arguments)
    )


def test_few_labels_pay_at_any_length():
    assert steps_without_gain(4) == 0
    assert _warn(1, 4) is None


def test_more_labels_take_longer_to_pay():
    assert 0 < steps_without_gain(25) <= steps_without_gain(100) <= steps_without_gain(10_000)


@pytest.mark.parametrize("labels_per_class", [25, 100])
def test_only_short_runs_are_told(labels_per_class):
    most = steps_without_gain(labels_per_class)
    assert _warn(most + 1, labels_per_class) is None
    text = _warn(most, labels_per_class)
    assert f"this run makes {most:,} steps: at {labels_per_class} labels per class" in text
    assert "1/7 of the images" in text
    assert "\n" not in text


def test_the_command_is_the_supervised_run(tmp_path):
    flags = tmp_path / "my flags.flags"
    flags.write_text("--train-split-pickle x.pkl --mu 7 --lambda-emb 2\n")
    command = shlex.split(_warn(100, 25, arguments=(f"@{flags}", "--seed", "1")).split("train that: ")[1])
    assert command[:2] == ["python", "run_semco.py"]
    config = parse_config(command[2:])
    assert (config.lam_u, config.lambda_emb, config.mu, config.seed) == (0, 0, 7, 1)
