"""What the program chooses where flags say auto, and what it says of runs that are too short."""

import dataclasses
import logging

import numpy as np
import pytest

from models.settings import decided, settle, warn_of_length
from utils.flags.parse import parse_config
from utils.labels.grouping import Grouping
from utils.labels.matching import LabelMatch
from utils.labels.semantics import LabelSemantics


def _config(*flags):
    return parse_config(["--train-split-pickle", "x.pkl", *flags])


def _semantics(classes=20):
    matches = tuple(LabelMatch(f"class {code}", f"term{code}", "exact") for code in range(classes))
    return LabelSemantics(matches, np.eye(classes), Grouping(np.arange(classes), 0.15, degenerated=False), ())


def test_what_is_auto_gets_numbers(caplog):
    config = _config(
        *("--thr-emb", "auto", "--ema-alpha", "auto", "--bn-momentum", "auto"),
        *("--n-epoches", "10", "--n-imgs-per-epoch", "1600", "--batch-size", "16"),
    )
    with caplog.at_level(logging.INFO, logger="semco"):
        settings = settle(config, _semantics())
    assert (settings.thr_emb, settings.ema_alpha, settings.bn_momentum) == (0.708, 0.99, 0.05)
    assert decided(config, settings) == {"thr_emb": 0.708, "ema_alpha": 0.99, "bn_momentum": 0.05}
    assert dataclasses.replace(settings, thr_emb=None, ema_alpha=None, bn_momentum=None) == config
    assert [record.getMessage() for record in caplog.records] == [
        "--thr-emb auto is 0.708; an embedding that knows nothing scores 0.22",
        "--ema-alpha auto is 0.99 at 1000 steps",
        "--bn-momentum auto is 0.05 at 1000 steps",
    ]


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ((), True),
        (("--lambda-emb", "0"), True),
        (("--lam-u", "0"), False),
        (("--break-epoch", "0"), False),
        (("--model-backbone", "resnet18"), False),
        (("--model-backbone", "resnet18", "--no-imgnet-pretrained"), True),
        (("--use-pretrained", "--checkpoint-path", "x.pth"), False),
    ],
)
def test_a_run_that_is_too_short_to_pay(flags, told):
    """Ten steps of a schedule of 300 epochs."""
    shape = ("--n-imgs-per-epoch", "640", "--n-epoches", "30000", "--break-epoch", "1")
    text = warn_of_length(_config(*shape, *flags), 40, ["--mu", "3", *flags])
    assert (text is not None) == told
    assert not told or text.endswith(" ".join(["run_semco.py --mu 3", *flags, "--lambda-emb 0 --lam-u 0"]))


def test_what_is_given_stays(caplog):
    with caplog.at_level(logging.INFO, logger="semco"):
        settings = settle(_config(), _semantics())
    assert settings == _config()
    assert decided(_config(), settings) == {}
    assert not caplog.records
