"""One worked example of grouping, guessing and the loss, computed independently of this code."""

import json

import numpy as np
import pytest
import torch

from models.label_guessor import LabelGuessor, sharpening_factor
from models.losses import co_training_loss
from models.networks.two_head import NetOutput, build_model
from tests.support.project import REFERENCE
from utils.labels.grouping import group_labels

EXAMPLE = dict(np.load(REFERENCE / "method_example.npz"))
SCHEMA = json.loads((REFERENCE / "state_dict_schema.json").read_text())


def _tensor(name: str) -> torch.Tensor:
    return torch.from_numpy(EXAMPLE[name])


def _guessor() -> LabelGuessor:
    return LabelGuessor(_tensor("emb").float(), torch.from_numpy(EXAMPLE["groups"]).long(), thr_emb=0.7)


def test_groups():
    assert group_labels(EXAMPLE["emb"], 0.15).ids.tolist() == EXAMPLE["groups"].tolist()


def test_guess():
    guess = _guessor()(_tensor("z"))
    assert guess.hint.tolist() == EXAMPLE["hint"].tolist()
    assert guess.mask.bool().tolist() == EXAMPLE["mask"].astype(bool).tolist()
    np.testing.assert_allclose(guess.target.numpy(), EXAMPLE["target"], atol=1e-5)
    np.testing.assert_allclose(guess.score.numpy(), EXAMPLE["score"], atol=1e-5)


@pytest.mark.parametrize("name", [name for name in EXAMPLE if name.startswith("loss_")])
def test_loss(name):
    lam_u, lambda_emb, thr = map(float, name.split("_")[1:])
    guessor = _guessor()
    parts = co_training_loss(
        labelled=NetOutput(_tensor("in_lx"), _tensor("in_ex"), _tensor("in_ex")),
        weak=NetOutput(_tensor("in_lw"), _tensor("z"), _tensor("z")),
        strong=NetOutput(_tensor("in_ls"), _tensor("in_es"), _tensor("in_es")),
        labels=_tensor("in_y").long(),
        guess=guessor(_tensor("z")),
        class_vectors=guessor.class_vectors,
        thr=thr,
        lam_u=lam_u,
        lambda_emb=lambda_emb,
    )
    ours = [
        parts.class_labelled, parts.class_unlabelled, parts.emb_labelled, parts.emb_unlabelled, parts.total,
        parts.mask_rate, parts.emb_mask_rate, parts.any_mask_rate,
    ]  # fmt: skip
    np.testing.assert_allclose([float(part) for part in ours], EXAMPLE[name], atol=1e-5)


def test_sharpening():
    for groups, factor in json.loads((REFERENCE / "sharpening.json").read_text()).items():
        assert sharpening_factor(int(groups)) == pytest.approx(factor, abs=1e-9)


@pytest.mark.parametrize("name", SCHEMA)
def test_parameter_names_and_shapes(name):
    schema = SCHEMA[name]
    vectors = next(
        shape[0] for key, shape in reversed(schema.items()) if key.startswith("fc_emb") and key.endswith("bias")
    )
    model = build_model(
        backbone="wres" if name.startswith("wres") else name,
        num_classes=schema["fc_classes.bias"][0],
        embedding_dim=vectors,
        wres_width=int(name[-1]) if name.startswith("wres") else 2,
    )
    assert {key: list(value.shape) for key, value in model.state_dict().items()} == schema
