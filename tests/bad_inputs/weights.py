"""Checkpoints and ImageNet weights: hostile in zip, legacy and tar format, damaged, of other networks, not finite."""

import io
import os
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from models.networks.two_head import build_model
from tests.bad_inputs.case import BadInput, with_flags
from tests.bad_inputs.pickles import EXECUTING, GROWING, Calls
from tests.support.safe_tensors import encode

_START = ("--use-pretrained", "--checkpoint-path")
_IMAGENET = ("--model-backbone", "resnet18", "--imgnet-weights")
_EVIL = {"model": Calls(os.system, "touch executed")}


def _saved(content: object, **options) -> bytes:
    text = io.BytesIO()
    torch.save(content, text, **options)
    return text.getvalue()


def _network(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state = build_model(backbone="wres", num_classes=3, embedding_dim=8, wres_depth=10, wres_width=1).state_dict()
    return {**state, **changes}


def _zipped(pickled: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """torch's zip format around any pickle."""
    text = io.BytesIO()
    with zipfile.ZipFile(text, "w", compression) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/data/0", bytes(8))
        archive.writestr("archive/version", b"3\n")
    return text.getvalue()


def _tarred(pickled: bytes) -> bytes:
    """The format before torch 0.4: a tar with three pickles."""
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            member = tarfile.TarInfo(name)
            member.size = len(pickled)
            archive.addfile(member, io.BytesIO(pickled))
    return text.getvalue()


def _weights(name: str, content: Callable[[], bytes] | bytes, *words: str, flags: Sequence[str] = _START) -> BadInput:
    def spoil() -> Sequence[str]:
        Path("w.pth").write_bytes(content() if callable(content) else content)
        return [*flags, "w.pth"]

    return BadInput(f"weights: {name}", ("w.pth", *words), spoil)


def _first(state: dict[str, torch.Tensor]) -> str:
    return next(name for name, value in state.items() if value.ndim == 4)


def _spoilt(change: Callable[[torch.Tensor], torch.Tensor]) -> bytes:
    """The network's own weights, the first of them changed."""
    state = _network()
    return _saved({"model": {**state, _first(state): change(state[_first(state)])}})


def _quantised(value: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)


def _piped() -> Sequence[str]:
    os.mkfifo("w.pth")
    return [*_START, "w.pth"]


CASES = [
    BadInput("weights: a pipe", ("w.pth", "is a pipe"), _piped),
    *(
        _weights(f"hang or crash a reader: {name}", _zipped(content), "a key in it")
        for name, content in GROWING.items()
        if name.startswith("key that holds")
    ),
    _weights(
        "needs a class", lambda: _saved({"model": _network(), "best": np.float64(1)}), "scalar; save it again with"
    ),
    _weights(
        "safetensors that lie",
        encode({"w": {"dtype": "F32", "shape": [9], "data_offsets": [0, 4]}}, bytes(4)),
        "cut short",
    ),
    with_flags("weights: missing", [*_START, "gone.pth"], "gone.pth", "does not exist"),
    with_flags("weights: a folder", [*_START, "data"], "data"),
    _weights("nothing", b"", "damaged"),
    _weights("text", b"no weights", "damaged"),
    _weights("web page", b"<!DOCTYPE html>", "damaged"),
    _weights("cut short", lambda: _saved({"model": _network()})[:-3000], "damaged"),
    _weights(
        "legacy format cut short", lambda: _saved(_network(), _use_new_zipfile_serialization=False)[:-3000], "damaged"
    ),
    _weights("zip of something else", lambda: _zipped(b"").replace(b"data.pkl", b"data.txt"), "damaged"),
    _weights("whole module", lambda: _saved(torch.nn.Linear(2, 2)), "more than tensors"),
    _weights("runs code, zip", lambda: _saved(_EVIL), "more than tensors"),
    _weights("runs code, legacy", lambda: _saved(_EVIL, _use_new_zipfile_serialization=False), "more than tensors"),
    _weights("runs code, tar", _tarred(EXECUTING["REDUCE"])),
    *(_weights(f"runs code, bare: {name}", content) for name, content in EXECUTING.items()),
    *(_weights(f"runs code, zip: {name}", _zipped(content)) for name, content in EXECUTING.items()),
    *(
        _weights(f"grow: {name}", _zipped(GROWING[name]))
        for name in ("announced string", "announced frame", "sparse memo", "deep list for a class")
    ),
    _weights("squeezed pickle", _zipped(b"]" + b"N0" * 10**6 + b".", zipfile.ZIP_DEFLATED)),
    _weights("nests too deep", lambda: _zipped(b"]" * 5000 + b"a" * 4999 + b"."), "nests more than 100 levels deep"),
    _weights("no weights", lambda: _saved({"epoch": 3}), "no weights"),
    _weights("list", lambda: _saved([1, 2]), "no weights"),
    _weights("names that are no text", lambda: _saved({1: torch.zeros(2)}), "no weights"),
    _weights("another network", lambda: _saved(torch.nn.Linear(2, 2).state_dict()), "nothing in checkpoint"),
    _weights("not finite", lambda: _spoilt(lambda value: value * float("nan")), "not finite"),
    _weights("endless", lambda: _spoilt(lambda value: value / 0), "not finite"),
    _weights("complex", lambda: _spoilt(lambda value: value.to(torch.complex64)), "complex64"),
    _weights("sparse", lambda: _spoilt(lambda value: value.to_sparse()), "sparse"),
    _weights("quantised", lambda: _spoilt(_quantised), "qint8"),
    _weights("without memory", lambda: _spoilt(lambda value: value.to("meta")), "meta"),
    with_flags("ImageNet weights: missing", [*_IMAGENET, "gone.pth"], "gone.pth", "does not exist"),
    with_flags("ImageNet weights: unused", [*_IMAGENET, "x.pth", "--no-imgnet-pretrained"], "--imgnet-weights"),
    _weights("ImageNet: text", b"no weights", "damaged", flags=_IMAGENET),
    _weights("ImageNet: run code", lambda: _saved(_EVIL), "more than", flags=_IMAGENET),
    _weights("ImageNet: of another network", lambda: _saved(_network()), "torchvision", "resnet18", flags=_IMAGENET),
    _weights("ImageNet: a list", lambda: _saved([1]), "torchvision", flags=_IMAGENET),
    _weights("ImageNet: numbers", lambda: _saved({"conv1.weight": 3}), "torchvision", flags=_IMAGENET),
]
