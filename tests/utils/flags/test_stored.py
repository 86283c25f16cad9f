import dataclasses
import json
from pathlib import Path

from utils.flags.config import Config
from utils.flags.stored import stored_config


def test_flags_come_back_from_json():
    config = dataclasses.replace(
        Config(), dataset_path=Path("a/b"), eps=0.2, mu=7, cotrain=False, word_vec_path=Path("v.txt"), resume="auto"
    )
    found = stored_config(json.loads(json.dumps(config.as_json())))
    assert dataclasses.replace(found, resume="auto") == config


def test_missing_flags_have_defaults_and_unknown_ones_are_ignored():
    assert stored_config({"mu": 5, "flag_of_tomorrow": 1}) == dataclasses.replace(Config(), mu=5)
