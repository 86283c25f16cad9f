"""Starting from a checkpoint: what fits is loaded, what does not is named."""

import pickle

import pytest
import torch

from models.networks.two_head import build_model
from models.networks.weights import load_matching_weights
from tests.bad_inputs.pickles import Calls
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
