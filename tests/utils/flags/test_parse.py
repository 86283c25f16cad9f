"""Arguments become a Config: both spellings, switches, files of flags, and one line for every mistake."""

import dataclasses
import json
import typing
from pathlib import Path

import pytest

from utils.errors import SemcoError
from utils.flags.config import Config
from utils.flags.parse import build_parser, parse_config

SPLIT = ["--train-split-pickle", "split.pkl"]


def parse(*arguments: str) -> Config:
    return parse_config([*SPLIT, *arguments])


def test_defaults_are_the_papers():
    config = parse()
    expected = {
        "dataset_name": "cifar100", "im_size": 32, "cropsize": 32, "lam_u": 1.0, "mu": 3, "thr": 0.95, "thr_emb": 0.7,
        "lambda_emb": 3.0, "eps": None, "ema_alpha": 0.999, "model_backbone": None, "wres_k": 2, "wres_n": 28,
        "bn_momentum": 0.001, "n_epoches": 300, "early_stopping_epochs": 0, "min_wait_before_es": -1,
        "es_metric": "accuracy", "n_imgs_per_epoch": 65536, "batch_size": 64, "lr": 0.03, "weight_decay": 5e-4,
        "momentum": 0.9, "num_workers_per_gpu": 4, "parallel": True, "seed": 123, "output_dir": Path("runs"), "amp": True,
        "cache_imgs": "auto", "cotrain": True, "imgnet_pretrained": True, "progress_bar": True, "use_pretrained": False,
    }  # fmt: skip
    assert {name: getattr(config, name) for name in expected} == expected


def test_every_flag_is_accepted_in_both_spellings():
    values = {int: 7, float: 0.25, Path: Path("some/path"), str: "name"}
    hints = typing.get_type_hints(Config)
    for entry in dataclasses.fields(Config):
        kind = next(
            part for part in typing.get_args(hints[entry.name]) or [hints[entry.name]] if part is not type(None)
        )
        others = [not entry.default] if kind is bool else entry.metadata.get("choices", [values.get(kind)])
        value = next(other for other in others if other != entry.default)
        for flag in (entry.name, entry.name.replace("_", "-")):
            namespace = build_parser().parse([f"--{flag}", str(value)])
            assert getattr(namespace, entry.name) == value, flag


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--no_amp"], False),
        (["--no-amp"], False),
        (["--amp"], True),
        (["--amp", "False"], False),
        (["--amp=false"], False),
        (["--no_amp", "True"], False),
        (["--no-amp", "False"], True),
        (["--no-amp", "--amp"], True),
    ],
)
def test_switches(arguments, expected):
    assert parse(*arguments).amp is expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "auto"),
        (["--cache-imgs"], "memory"),
        (["--cache_imgs", "True"], "memory"),
        (["--cache-imgs", "False"], "none"),
        (["--cache-imgs", "disk"], "disk"),
    ],
)
def test_cache_imgs(arguments, expected):
    assert parse(*arguments).cache_imgs == expected


def test_auto_stands_for_no_choice():
    config = parse("--eps", "auto", "--model_backbone=auto")
    assert config.eps is None
    assert config.model_backbone is None
    assert parse("--eps", "0").eps == 0.0


def test_flags_from_a_file(tmp_path):
    (tmp_path / "run.flags").write_text(
        "# a recipe\n--train-split-pickle 'my split.pkl'  # labelled\n--mu 7 --no_amp\n\n--thr=0.9\n", encoding="utf-8"
    )
    config = parse_config([f"@{tmp_path}/run.flags", "--mu", "5"])
    assert (str(config.train_split_pickle), config.mu, config.amp, config.thr) == ("my split.pkl", 5, False, 0.9)


def test_environment_gives_paths(monkeypatch):
    monkeypatch.setenv("SEMCO_DATA_PATH", "/data")
    monkeypatch.setenv("SEMCO_WV_PATH", "")
    config = parse()
    assert config.dataset_path == Path("/data")
    assert config.word_vec_path is None
    assert parse("--dataset-path", "/other").dataset_path == Path("/other")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--thr_em", "3"], ["unknown flag --thr-em", "--thr-emb"]),
        (["--amp-backend", "amp"], ["torch, apex"]),
    ],
)
def test_mistakes_take_one_line(arguments, words):
    with pytest.raises(SemcoError) as caught:
        parse(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_the_split_is_required():
    with pytest.raises(SemcoError, match=r"--train-split-pickle is missing.*split_maker"):
        parse_config([])


def test_help_states_every_flag_and_default(capsys):
    with pytest.raises(SystemExit) as caught:
        parse("--help")
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for entry in dataclasses.fields(Config):
        assert f"--{entry.name.replace('_', '-')}" in text
    assert "(default: 0.95)" in text
    assert "$SEMCO_DATA_PATH" in text


def test_json_holds_plain_values():
    content = parse("--output-dir", "here").as_json()
    assert json.loads(json.dumps(content))["output_dir"] == "here"
    assert set(content) == {entry.name for entry in dataclasses.fields(Config)}


def test_derived_numbers():
    config = parse(
        "--n-imgs-per-epoch", "130", "--batch-size", "64", "--n-epoches", "5", "--break-epoch", "3", "--mu", "7"
    )
    assert (config.steps_per_epoch, config.total_steps, config.last_epoch) == (2, 10, 3)
    assert config.unlabelled_batch == 448
    assert parse("--lam-u", "0").unlabelled_batch == 0
    assert parse("--break-epoch", "500").last_epoch == 300
