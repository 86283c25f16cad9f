"""timm models that do not exist or do not fit the images, and files that are not their weights."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import timm
import torch
from safetensors.torch import save

from tests.bad_inputs.case import BadInput, with_flags

_SIZE = ("--im-size", "32", "--cropsize", "32")
_VIT = (*_SIZE, "--model-backbone", "timm:test_vit")
_NO_WEIGHTS = ("--no-imgnet-pretrained",)


def _tensors(name: str, **changes: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {**timm.create_model(name).state_dict(), **changes}


def _saved(content: object) -> bytes:
    text = io.BytesIO()
    torch.save(content, text)
    return text.getvalue()


def _backbone(name: str, backbone: str, *words: str, more: Sequence[str] = _NO_WEIGHTS) -> BadInput:
    return with_flags(f"timm: {name}", [*_SIZE, "--model-backbone", backbone, *more], *words)


def _weights(name: str, file: str, content: Callable[[], bytes], *words: str) -> BadInput:
    def spoil() -> Sequence[str]:
        Path(file).write_bytes(content())
        return [*_VIT, "--imgnet-weights", file]

    return BadInput(f"timm weights: {name}", (file, *words), spoil)


CASES = [
    _backbone("without its prefix", "test_vit", "expected wres, resnet18, resnet50 or timm:NAME"),
    _backbone("without a name", "timm:", "expected wres, resnet18, resnet50 or timm:NAME"),
    _backbone("misspelt", "timm:test_vitt", "the nearest names are test_vit"),
    _backbone("a tag that no weights have", "timm:test_vit.in22k", "those of test_vit are: test_vit.r160_in1k"),
    _backbone("of strangers", "timm:hf-hub:someone/model", "no model called 'hf-hub:someone/model'"),
    _backbone(
        "patches that do not fit",
        "timm:test_vit",
        "33 pixels",
        "multiple of 16",
        more=["--cropsize", "33", "--im-size", "33"],
    ),
    _backbone("images too small", "timm:inception_v3", "does not take images of 32 pixels", "pass --cropsize 299"),
    _backbone(
        "weights with --no-imgnet-pretrained",
        "timm:test_vit",
        "does nothing",
        more=[*_NO_WEIGHTS, "--imgnet-weights", "x"],
    ),
    _backbone(
        "patches that do not fit, weights to be downloaded",
        "timm:test_vit",
        "33 pixels",
        more=["--cropsize", "33", "--im-size", "33"],
    ),
    with_flags("timm weights: missing", [*_VIT, "--imgnet-weights", "gone.pth"], "gone.pth", "does not exist"),
    with_flags("timm weights: a folder", [*_VIT, "--imgnet-weights", "data"], "data", "is a folder"),
    _weights("a web page", "w.pth", lambda: b"<!DOCTYPE html>", "damaged"),
    _weights("cut short", "w.safetensors", lambda: save(_tensors("test_vit"))[:-3000], "cut short"),
    _weights("cut in its header", "w.safetensors", lambda: save(_tensors("test_vit"))[:50], "header is longer"),
    _weights("nothing", "w.safetensors", bytes, "damaged"),
    _weights(
        "of another family", "w.pth", lambda: _saved(_tensors("test_resnet")), "timm's test_vit", "it lacks 'cls_token'"
    ),
    _weights(
        "of another width",
        "w.pth",
        lambda: _saved(_tensors("test_vit", cls_token=torch.zeros(1, 1, 3))),
        "other shapes of",
    ),
    _weights(
        "not finite",
        "w.pth",
        lambda: _saved(_tensors("test_vit", cls_token=torch.full((1, 1, 64), torch.inf))),
        "not finite",
    ),
    _weights("a whole module", "w.pth", lambda: _saved(timm.create_model("test_vit")), "more than tensors"),
]
