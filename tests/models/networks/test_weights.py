"""Starting from a checkpoint: what fits is loaded, what does not is named."""

import argparse
import pathlib
import pickle

import numpy as np
import pytest
import torch

from models.networks.two_head import build_model
from models.networks.weights import load_matching_weights
from tests.bad_inputs.pickles import Calls
from tests.support.safe_tensors import save_file
from utils.errors import SemcoError
from utils.run.checkpoint import save_checkpoint


def _model(classes=3, width=1, seed=0):
    torch.manual_seed(seed)
    return build_model(backbone="wres", num_classes=classes, embedding_dim=4, wres_depth=10, wres_width=width)


SOURCE = _model(seed=1).state_dict()
LAYOUTS = {
    "bare": SOURCE,
    "data parallel": {"state_dict": {f"module.{name}": value for name, value in SOURCE.items()}},
    "paper project": {
        "model": {name: torch.zeros_like(value) for name, value in SOURCE.items()},
        "ema_model": SOURCE,
        "epoch": 3,
    },
    "compiled": {f"_orig_mod.{name}": value for name, value in SOURCE.items()},
    "compiled in data parallel": {f"module._orig_mod.{name}": value for name, value in SOURCE.items()},
    "data parallel, then compiled": {f"_orig_mod.module.{name}": value for name, value in SOURCE.items()},
    "backbone compiled": {name.replace("backbone.", "backbone._orig_mod.", 1): value for name, value in SOURCE.items()},
    "Lightning": {"state_dict": {f"model.{name}": value for name, value in SOURCE.items()}, "epoch": 3},
    "Lightning, compiled": {"state_dict": {f"model._orig_mod.{name}": value for name, value in SOURCE.items()}},
    "ours": {"format": "semco-checkpoint-1", "model": {}, "ema": SOURCE, "history": []},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    torch.save(LAYOUTS[layout], tmp_path / "x.pth")
    model = _model()
    report = load_matching_weights(model, tmp_path / "x.pth")
    assert (len(report.loaded), report.missing, report.unexpected, report.mismatched) == (len(SOURCE), [], [], [])
    assert all(torch.equal(value, SOURCE[name]) for name, value in model.state_dict().items())


def test_what_does_not_fit_is_listed(tmp_path):
    content = {**SOURCE, "extra.weight": torch.zeros(2)}
    del content["fc_emb.2.bias"]
    save_checkpoint(tmp_path / "x.pth", {"ema": content})
    model = _model(classes=9)
    before = model.fc_classes.weight.clone()
    report = load_matching_weights(model, tmp_path / "x.pth")
    assert report.missing == ["fc_emb.2.bias"]
    assert report.unexpected == ["extra.weight"]
    assert report.mismatched == ["fc_classes.weight", "fc_classes.bias"]
    assert torch.equal(model.fc_classes.weight, before)
    assert torch.equal(model.fc_emb[2].weight, SOURCE["fc_emb.2.weight"])


def test_files_that_cannot_be_used(tmp_path, capsys):
    torch.save({"model": torch.nn.Linear(2, 2)}, tmp_path / "module.pth")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Calls(print, "executed"), protocol=2))
    (tmp_path / "text.pth").write_text("no weights")
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    for name, words in (
        ("module", "holds more than tensors"),
        ("evil", "damaged"),
        ("text", "damaged"),
        ("none", "holds no weights"),
        ("other", "nothing in checkpoint"),
        ("gone", "does not exist"),
    ):
        with pytest.raises(SemcoError, match=words):
            load_matching_weights(_model(), tmp_path / f"{name}.pth")
    assert capsys.readouterr().out == ""


def test_safetensors(tmp_path):
    save_file(SOURCE, tmp_path / "x.safetensors")
    model = _model()
    report = load_matching_weights(model, tmp_path / "x.safetensors")
    assert (len(report.loaded), report.missing, report.unexpected, report.mismatched) == (len(SOURCE), [], [], [])
    assert all(torch.equal(value, SOURCE[name]) for name, value in model.state_dict().items())


def test_names_that_fit_as_they_are_come_first(tmp_path):
    torch.save({**{f"module.{name}": value + 1 for name, value in SOURCE.items()}, **SOURCE}, tmp_path / "x.pth")
    model = _model()
    report = load_matching_weights(model, tmp_path / "x.pth")
    assert all(torch.equal(value, SOURCE[name]) for name, value in model.state_dict().items())
    assert report.unexpected == [f"module.{name}" for name in SOURCE]


def test_wrappers_of_what_is_unknown_are_reported_as_written(tmp_path):
    torch.save({**SOURCE, "module.extra": torch.zeros(2)}, tmp_path / "x.pth")
    assert load_matching_weights(_model(), tmp_path / "x.pth").unexpected == ["module.extra"]


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        (np.float64(0.5), r"numpy\.\S*multiarray\.scalar"),
        (argparse.Namespace(lr=0.1), r"argparse\.Namespace"),
        (pathlib.PurePosixPath("a"), r"pathlib\S*PurePosixPath"),
        ({"a"}, "builtins.set|no text"),
    ],
)
@pytest.mark.parametrize("new_format", [True, False])
def test_a_class_that_a_checkpoint_needs_is_named(tmp_path, extra, name, new_format):
    torch.save({"model": SOURCE, "extra": extra}, tmp_path / "x.pth", _use_new_zipfile_serialization=new_format)
    with pytest.raises(SemcoError, match=rf"x\.pth .*holds more than tensors.*({name})") as caught:
        load_matching_weights(_model(), tmp_path / "x.pth")
    assert "\n" not in str(caught.value)


def test_the_way_out_of_a_class(tmp_path):
    torch.save({"model": SOURCE, "best": np.float64(0.5)}, tmp_path / "x.pth")
    with pytest.raises(SemcoError, match=r"save it again with torch\.save\(.*numbers as float\(\) or int\(\)"):
        load_matching_weights(_model(), tmp_path / "x.pth")
