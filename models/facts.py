"""What a checkpoint must say so that its network can be used without the run's data, flags or word vectors."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from models.networks.timm_backbone import PREFIX
from models.networks.two_head import resolve_backbone
from utils.files.names import find_fault
from utils.flags.config import Config
from utils.labels.semantics import LabelSemantics

VERSION = 1
_SIDES = (8, 4096)


class Statistics(Protocol):
    """Per-channel mean and standard deviation of pixels in [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class FactsError(Exception):
    """The facts are missing, or do not make sense; the message names the first one, as the end of a sentence."""


@dataclass(frozen=True, kw_only=True)
class InferenceFacts:
    """The network's shape, its input and its classes.

    `wres_n`, `wres_k`: depth and width of a WideResNet, unused by other backbones; `im_size`: short side of the resized
    image; `cropsize`: side of the centre crop; `mean`, `std`: per channel, of pixels in [0, 1]; `terms`: what each class
    name was matched with; `class_vectors`: float32 (C, D); `groups`: label group of each class, int64 (C,); `thr`,
    `thr_emb`: confidence thresholds of the training.
    """

    backbone: str
    wres_n: int
    wres_k: int
    im_size: int
    cropsize: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    class_names: tuple[str, ...]
    terms: tuple[str, ...]
    class_vectors: Tensor
    groups: Tensor
    thr: float
    thr_emb: float


def inference_facts(config: Config, semantics: LabelSemantics, statistics: Statistics) -> dict[str, object]:
    """Collect the facts as plain values and tensors, the part of a checkpoint called `inference`."""
    return {
        "version": VERSION,
        "backbone": resolve_backbone(config.model_backbone, config.im_size),
        "wres_n": config.wres_n,
        "wres_k": config.wres_k,
        "im_size": config.im_size,
        "cropsize": config.cropsize,
        "mean": list(statistics.mean),
        "std": list(statistics.std),
        "class_names": [match.label for match in semantics.matches],
        "terms": [match.term for match in semantics.matches],
        "class_vectors": torch.from_numpy(semantics.vectors).float().clone(),
        "groups": torch.from_numpy(semantics.grouping.ids).long().clone(),
        "thr": float(config.thr),
        "thr_emb": float(config.thr_emb),
    }


def read_facts(raw: object) -> InferenceFacts:
    """Check what a checkpoint says.

    Raises:
        FactsError: anything is missing, of another version, or makes no sense.
    """
    if not isinstance(raw, Mapping):
        raise FactsError("are missing")
    if raw.get("version") != VERSION:
        raise FactsError(f"are of version {str(raw.get('version'))[:20]}, expected {VERSION}")
    for name, is_right in _CHECKS.items():
        if not is_right(raw.get(name)):
            raise FactsError(f"have no usable {name}")
    vectors, groups = raw["class_vectors"], raw["groups"]
    counts = {len(raw[name]) for name in ("class_names", "terms", "class_vectors", "groups")}
    if len(counts) > 1 or set(groups.tolist()) != set(range(int(groups.max()) + 1)):
        raise FactsError("contradict themselves about the number of classes or groups")
    if raw["cropsize"] > raw["im_size"]:
        raise FactsError("have a cropsize above the im_size")
    lists = {name: tuple(raw[name]) for name in ("mean", "std", "class_names", "terms")}
    plain = {name: raw[name] for name in ("backbone", "wres_n", "wres_k", "im_size", "cropsize", "thr", "thr_emb")}
    return InferenceFacts(class_vectors=vectors, groups=groups, **lists, **plain)


def _is_number(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _is_count(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _are_channels(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))


def _are_names(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(set(map(str, value))) >= 2
        and not any(not isinstance(name, str) or find_fault(name) for name in value)
    )


def _are_vectors(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.dtype == torch.float32
        and value.ndim == 2
        and value.shape[1] > 0
        and bool(value.isfinite().all())
        and bool(value.any(dim=1).all())
    )


def _are_groups(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.int64 and value.ndim == 1 and int(value.min()) == 0


_CHECKS: dict[str, Callable[[object], bool]] = {
    "backbone": lambda value: value in ("wres", "resnet18", "resnet50") or str(value).startswith(PREFIX),
    "wres_n": lambda value: _is_count(10, 1000)(value) and (value - 4) % 6 == 0,  # type: ignore[operator]
    "wres_k": _is_count(1, 64),
    "im_size": _is_count(*_SIDES),
    "cropsize": _is_count(*_SIDES),
    "mean": _are_channels,
    "std": lambda value: _are_channels(value) and all(one > 0 for one in value),  # type: ignore[attr-defined]
    "class_names": _are_names,
    "terms": lambda value: isinstance(value, list) and all(isinstance(term, str) for term in value),
    "class_vectors": _are_vectors,
    "groups": lambda value: isinstance(value, Tensor) and value.numel() > 0 and _are_groups(value),
    "thr": _is_number,
    "thr_emb": _is_number,
}
