"""Runs are called what they are."""

import pytest

from utils.flags.config import Config
from utils.records.methods import backbone, changed_flags, differing_flags, method_name, science_flags, spell_flag

DEFAULT = Config().as_json()


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        ({}, "SemCo"),
        ({"lambda_emb": 0}, "FixMatch"),
        ({"lambda_emb": 0.0, "lam_u": 0.0}, "supervised"),
        ({"lam_u": 0}, "supervised, both heads"),
        ({"eps": 0.0}, "SemCo, without grouping"),
        ({"cotrain": False}, "SemCo, without co-training"),
        ({"shuffle_vectors": True, "eps": None}, "SemCo, with shuffled word vectors"),
    ],
)
def test_method_names(flags, name):
    assert method_name({**DEFAULT, **flags}) == name


def test_backbones():
    assert backbone(DEFAULT) == "WRN-28-2"
    assert backbone({**DEFAULT, "im_size": 84}) == "ResNet-50, ImageNet weights"
    assert backbone({**DEFAULT, "model_backbone": "resnet18", "imgnet_pretrained": False}) == "ResNet-18, from scratch"
    timm = {**DEFAULT, "model_backbone": "timm:resnet50.a1_in1k"}
    assert backbone(timm) == "timm's resnet50.a1_in1k, pretrained"
    assert backbone({**timm, "imgnet_pretrained": False}) == "timm's resnet50.a1_in1k, from scratch"


def test_flags_of_the_machine_do_not_set_runs_apart():
    other = {**DEFAULT, "seed": 7, "device": "cuda", "output_dir": "elsewhere", "word_vec_path": "/there/glove.txt"}
    assert science_flags({**DEFAULT, "word_vec_path": "here/glove.txt"}) == science_flags(other)
    assert differing_flags({**DEFAULT, "mu": 7, "lam_u": 0}, DEFAULT) == ["--mu 7"]
    assert science_flags({**DEFAULT, "word_vec_path": "here/other.txt"}) != science_flags(other)


def test_spelling():
    assert changed_flags({**DEFAULT, "mu": 7, "amp": False}) == {"mu": 7, "amp": False}
    assert spell_flag("amp", False) == "--no-amp"
    assert spell_flag("compile", True) == "--compile"
    assert spell_flag("eps", None) == "--eps auto"
