"""End to end: models of timm train, resume bit for bit, load their pretrained weights, and leave the project as files."""

import json

import pytest
import timm
import torch

import export_semco
import predict_semco
import run_semco
from tests.support.run_equality import assert_equal_runs
from tests.support.tiny_runs import flags_for, train, weights
from utils.run.checkpoint import load_checkpoint

pytestmark = pytest.mark.usefixtures("no_pictures")
FAMILIES = ("test_resnet", "test_vit", "test_convnext")
FINE_TUNING = (
    *("--im-size", "32", "--cropsize", "32", "--optimizer", "adamw", "--lr", "1e-3", "--weight-decay", "0.05"),
    *("--layer-decay", "0.8", "--ema-alpha", "0.5"),
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Files with weights of the families, drawn at random."""
    folder = tmp_path_factory.mktemp("weights")
    for name in FAMILIES:
        torch.manual_seed(4)
        torch.save(timm.create_model(name).state_dict(), folder / f"{name}.pth")
    return folder


def _flags(files, name, *more):
    return [*FINE_TUNING, "--model_backbone", f"timm:{name}", "--imgnet-weights", str(files / f"{name}.pth"), *more]


def _moved(folder, files, name):
    start = torch.load(files / f"{name}.pth", weights_only=True)
    trained = load_checkpoint(folder / "last.pth")["model"]
    backbone = {
        key.removeprefix("model_timm."): value for key, value in trained.items() if key.startswith("model_timm.")
    }
    return {key for key, value in backbone.items() if not torch.equal(value, start[key])}


@pytest.mark.parametrize("name", [FAMILIES[0], *(pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES[1:])])
def test_three_families_train_resume_bit_for_bit_and_are_exported(tiny_dataset, tmp_path, files, name, capsys):
    flags = _flags(files, name, "--on-nan", "skip") if name == "test_vit" else _flags(files, name)
    whole = train(tiny_dataset, tmp_path / "whole", *flags)
    said = capsys.readouterr().out
    assert "the model was made for --cropsize 160" in said
    assert train(tiny_dataset, tmp_path / "parts", *flags, "--break-epoch", "1")
    assert run_semco.main(flags_for(tiny_dataset, tmp_path / "parts", *flags, "--resume", "auto")) == 0
    (resumed,) = (path.parent for path in (tmp_path / "parts").rglob("summary.json"))
    assert_equal_runs(whole, resumed)
    config = json.loads((whole / "config.json").read_text())
    own = timm.get_pretrained_cfg(name)
    assert (tuple(config["resolved"]["mean"]), tuple(config["resolved"]["std"])) == (own.mean, own.std)
    assert _moved(whole, files, name)

    assert export_semco.main([str(whole), str(tmp_path / "export")]) == 0
    check = json.loads((tmp_path / "export" / "check.json").read_text())
    assert all(share == 1.0 for heads in check["top1_agreement"].values() for share in heads.values())
    images = sorted(map(str, (tiny_dataset / "tiny" / "test").iterdir()))
    assert predict_semco.main([str(whole), *images, "--format", "jsonl", "--output", str(tmp_path / "answers")]) == 0
    assert len((tmp_path / "answers").read_text().splitlines()) == len(images)


def test_a_linear_probe_leaves_the_backbone_alone(tiny_dataset, tmp_path, files):
    probe = ["--freeze-backbone", "--lambda-emb", "0", "--lam-u", "0", "--layer-decay", "1"]
    folder = train(tiny_dataset, tmp_path, *_flags(files, "test_resnet", *probe))
    assert not _moved(folder, files, "test_resnet")


@pytest.mark.parametrize("more", [["--amp", "--amp-dtype", "bfloat16"], ["--optimizer", "sgd", "--lr", "0.01"]])
def test_other_number_formats_and_optimisers(tiny_dataset, tmp_path, files, more):
    folder = train(tiny_dataset, tmp_path, *_flags(files, "test_vit", "--n-epoches", "1", *more))
    assert all(value.isfinite().all() for value in weights(folder).values())


def test_the_rate_of_sgd_is_warned_about(tiny_dataset, tmp_path, capsys):
    train(tiny_dataset, tmp_path, "--optimizer", "adamw", "--n-epoches", "1")
    assert "--lr 0.03 is a rate for SGD" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model-backbone", "timm:"], "expected wres, resnet18, resnet50 or timm:NAME"),
        (["--model-backbone", "timm:test_vitt", "--no-imgnet-pretrained"], "the nearest names are test_vit"),
        (["--model-backbone", "timm:test_vit", "--no-imgnet-pretrained"], "another multiple of 16"),
        (["--optimizer", "adamw", "--momentum", "0.8"], "--momentum is for --optimizer sgd"),
        (["--layer-decay", "0.5", "--freeze-backbone"], "--layer-decay does nothing with --freeze-backbone"),
        (["--layer-decay", "0"], "--layer-decay is 0"),
        (["--model-backbone", "timm:test_vit", "--no-imgnet-pretrained", "--imgnet-weights", "x"], "does nothing"),
    ],
)
def test_mistakes_are_one_line(tiny_dataset, tmp_path, capsys, flags, words):
    assert run_semco.main(flags_for(tiny_dataset, tmp_path / "out", "--im-size", "33", "--cropsize", "33", *flags)) == 2
    *warnings, error = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert words in error
    assert all(line.startswith("warning: ") for line in warnings)
    assert not (tmp_path / "out").exists()


def test_single_images_that_batch_norm_cannot_normalise(tiny_dataset, tmp_path, capsys):
    flags = ["--im-size", "32", "--cropsize", "32", "--model-backbone", "timm:test_resnet", "--no-imgnet-pretrained"]
    one = ["--lambda-emb", "0", "--lam-u", "0", "--batch-size", "1"]
    assert run_semco.main(flags_for(tiny_dataset, tmp_path / "out", *flags, *one)) == 2
    assert "timm:test_resnet makes one pixel of 32x32, which BatchNorm cannot normalise" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_another_optimiser_is_not_resumed(tiny_dataset, tmp_path, capsys):
    folder = train(tiny_dataset, tmp_path, "--break-epoch", "1")
    flags = flags_for(tiny_dataset, tmp_path, "--optimizer", "adamw", "--resume", str(folder))
    assert run_semco.main(flags) == 2
    assert "--optimizer is adamw, there sgd" in capsys.readouterr().err
