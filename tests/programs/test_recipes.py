"""Every file of flags in recipes/ is valid, alone or behind another, and is listed for its reader."""

import pytest

from tests.support.project import ROOT
from utils.flags.parse import parse_config

FOLDER = ROOT / "recipes"
BASELINES = {"fixmatch.flags": (0.0, 1.0), "supervised.flags": (0.0, 0.0)}
PUT_BEHIND = (*BASELINES, "finetune_timm.flags", "short_run.flags")
RECIPES = sorted(path.name for path in FOLDER.glob("*.flags") if path.name not in PUT_BEHIND)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_valid_and_explained(name):
    config = parse_config([f"@{FOLDER / name}"])
    assert config.train_split_pickle.name.startswith(config.dataset_name)
    head = (FOLDER / name).read_text(encoding="utf-8").splitlines()[0]
    assert head.startswith("# ")
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert name in readme or name.startswith(("mini_imagenet_4000_labels_mu", "mini_imagenet_10000_labels_mu"))


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_go_behind_recipes(name):
    config = parse_config([f"@{FOLDER / RECIPES[0]}", f"@{FOLDER / name}"])
    assert (config.lambda_emb, config.lam_u) == BASELINES[name]


def test_fine_tuning_goes_behind_a_recipe():
    config = parse_config([f"@{FOLDER / 'cifar100_subset_cpu.flags'}", f"@{FOLDER / 'finetune_timm.flags'}"])
    assert (config.optimizer, config.model_backbone[:5], config.total_steps) == ("adamw", "timm:", 1000)


@pytest.mark.parametrize("name", RECIPES)
def test_the_settings_of_short_runs_go_behind_every_recipe(name):
    plain, short = (
        parse_config([f"@{FOLDER / file}" for file in files]) for files in ([name], [name, "short_run.flags"])
    )
    assert (short.thr_emb, short.ema_alpha, short.bn_momentum, short.supervised_start) == (None, 0.99, 0.05, 0.5)
    changed = {"thr_emb", "ema_alpha", "bn_momentum", "supervised_start"}
    assert {key for key, value in vars(plain).items() if getattr(short, key) != value} <= changed
    assert "short_run.flags" in (FOLDER / "README.md").read_text(encoding="utf-8")
