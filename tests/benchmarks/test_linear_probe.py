"""The linear probe: features of the network as it is, a penalty chosen on the labelled images alone."""

import json

import numpy as np
import pytest
import timm
import torch

from benchmarks.linear_probe import main, probe

SIZE = ("--im-size", "32", "--cropsize", "32")


def _blobs(per_class, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), per_class)
    features = rng.normal(size=(len(labels), 6)) * 0.3 + np.eye(3).repeat(2, axis=1)[labels] * 5
    return features * 100, labels


@pytest.mark.parametrize("per_class", [1, 2, 8])
def test_classes_that_a_line_parts(per_class):
    classifier, _ = probe(*_blobs(per_class), seed=0)
    features, labels = _blobs(20, seed=1)
    assert (classifier.predict(features) == labels).all()


def test_the_penalty_is_chosen():
    features, labels = _blobs(8)
    noise = np.random.default_rng(2).normal(size=(len(labels), 300)) * 100
    chosen = {probe(each, labels, seed=0)[1] for each in (features, np.hstack([features / 50, noise]))}
    assert len(chosen) == 2


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(4)
    file = tmp_path_factory.mktemp("weights") / "test_resnet.pth"
    torch.save(timm.create_model("test_resnet").state_dict(), file)
    return file


def _flags(root, *more):
    data = ("--dataset-path", str(root), "--dataset-name", "tiny", "--train-split-pickle", str(root / "split.pkl"))
    return [*data, *SIZE, "--device", "cpu", *more]


def test_the_program(tiny_dataset, weights, capsys):
    flags = _flags(tiny_dataset, "--model-backbone", "timm:test_resnet", "--imgnet-weights", str(weights))
    assert main(flags) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert main(flags) == 0
    second = json.loads(capsys.readouterr().out.splitlines()[-1])
    for found in (first, second):
        del found["seconds"]
    assert first == second
    assert first["backbone"] == "timm:test_resnet"
    assert first["labelled"] == 2 * 7
    # The tiny dataset's classes differ by colour, which random features show too.
    assert first["top1"] > 60


@pytest.mark.parametrize(
    "flags", [["--model-backbone", "wres"], ["--model-backbone", "timm:x", "--no-imgnet-pretrained"]]
)
def test_random_weights_are_refused(tiny_dataset, capsys, flags):
    assert main(_flags(tiny_dataset, *flags)) == 2
    assert "from random weights means nothing" in capsys.readouterr().err
