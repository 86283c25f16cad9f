"""A run folder or a checkpoint -> a classifier that is ready to be asked."""

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch

from models.facts import FactsError, InferenceFacts, inference_facts, read_facts
from models.label_guessor import LabelGuessor
from models.networks.two_head import TwoHeadNet, build_model
from utils.errors import SemcoError
from utils.files.tensors import check_tensors
from utils.run.checkpoint import BEST, LAST, load_checkpoint

__all__ = ["CHECKPOINTS", "Classifier", "inference_facts", "load_classifier"]
CHECKPOINTS = {"last": LAST, "best": BEST}


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """A trained network and what its answers mean.

    `model`: the averaged (EMA) weights, in evaluation mode; `path`: the checkpoint; `config`: the run's flags by name;
    `history`: one record per finished epoch; `fingerprint`: digest of weights and facts.
    """

    model: TwoHeadNet
    guessor: LabelGuessor
    facts: InferenceFacts
    device: torch.device
    number_format: str
    path: Path
    config: Mapping[str, object]
    epoch: int
    steps: int
    history: tuple[Mapping[str, object], ...]
    fingerprint: str

    @property
    def has_embedding(self) -> bool:
        """False where the run did not train its embedding head (--lambda-emb 0): what that says is noise."""
        return bool(self.config.get("lambda_emb", True))

    def forward(self) -> AbstractContextManager:
        """Return the context of a forward pass in the number format in which the run evaluated."""
        if self.number_format not in ("bfloat16", "float16"):
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=getattr(torch, self.number_format))

    def with_classes(self, class_names: tuple[str, ...], vectors: torch.Tensor, groups: torch.Tensor) -> "Classifier":
        """Return a classifier whose embedding head scores other classes, given their vectors (C, D) and groups (C,).

        The class head still answers for the trained classes.
        """
        facts = dataclasses.replace(
            self.facts, class_names=class_names, terms=("",) * len(class_names), class_vectors=vectors, groups=groups
        )
        guessor = LabelGuessor(vectors, groups, thr_emb=facts.thr_emb).to(self.device)
        return dataclasses.replace(self, guessor=guessor, facts=facts)


def load_classifier(path: Path, *, which: str = "last", device: torch.device | None = None) -> Classifier:
    """Load the averaged weights of a run.

    Args:
        path: a run folder or a .pth file in it.
        which: `last` or `best`, the checkpoint of a run folder.

    Raises:
        SemcoError: no checkpoint, a damaged one, or one that does not say all that is needed.
    """
    device = device or torch.device("cpu")
    file = _checkpoint_file(path, which)
    content = load_checkpoint(file)
    facts = _facts(content, file)
    model = build_model(
        backbone=facts.backbone,
        num_classes=len(facts.class_names),
        embedding_dim=facts.class_vectors.shape[1],
        cropsize=facts.cropsize,
        wres_depth=facts.wres_n,
        wres_width=facts.wres_k,
        pretrained=False,
    )
    weights = _load_weights(model, content, file)
    model = model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    return Classifier(
        model=model,
        guessor=LabelGuessor(facts.class_vectors, facts.groups, thr_emb=facts.thr_emb).to(device),
        facts=facts,
        device=device,
        number_format=_number_format(content, device),
        path=file,
        config=content.get("config", {}),
        epoch=content.get("epoch", 0),
        steps=content.get("steps", 0),
        history=tuple(content.get("history", ())),
        fingerprint=_fingerprint(weights, facts),
    )


def _checkpoint_file(path: Path, which: str) -> Path:
    # Not Path.is_dir and Path.exists, which raise where a folder on the way may not be read.
    if not os.path.isdir(path):  # noqa: PTH112
        return path
    file = path / CHECKPOINTS[which]
    if not os.path.exists(file):  # noqa: PTH110
        other = next((name for name, there in CHECKPOINTS.items() if (path / there).exists()), None)
        remedy = f"pass --checkpoint {other}" if other else "name a run folder, or a .pth file in it"
        raise SemcoError(f"{path} has no {CHECKPOINTS[which]}: {remedy}")
    return file


def _facts(content: Mapping[str, object], file: Path) -> InferenceFacts:
    try:
        return read_facts(content.get("inference"))
    except FactsError as error:
        if "inference" not in content:
            raise SemcoError(
                f"checkpoint {file} was written before checkpoints described their network: resume the run with this "
                "version for an epoch more (--resume, and a --n-epoches that is higher by one)"
            ) from error
        raise SemcoError(f"checkpoint {file}: the facts for prediction {error}; use another checkpoint") from error


def _load_weights(model: TwoHeadNet, content: Mapping[str, object], file: Path) -> dict[str, torch.Tensor]:
    """Put the averaged weights into the network, and return them."""
    weights = content.get("ema")
    try:
        if not isinstance(weights, dict) or not all(isinstance(value, torch.Tensor) for value in weights.values()):
            raise TypeError("no weights")
        check_tensors(weights, file, what="checkpoint")
        model.load_state_dict(weights)
    except (RuntimeError, TypeError) as error:
        raise SemcoError(
            f"checkpoint {file} has weights that do not fit its own description: use another checkpoint"
        ) from error
    return weights


def _number_format(content: Mapping[str, object], device: torch.device) -> str:
    """The run's number format where the device has it: float16 on a CPU is for storage only."""
    name = str(content.get("number_format", "float32"))
    return "float32" if name == "float16" and device.type == "cpu" else name


def _fingerprint(weights: Mapping[str, torch.Tensor], facts: InferenceFacts) -> str:
    """Digest of the weights, of the classes and of how images become input."""
    plain = {name: value for name, value in vars(facts).items() if not isinstance(value, torch.Tensor)}
    total = hashlib.sha256(repr(sorted(plain.items())).encode())
    tensors = {**weights, "class_vectors": facts.class_vectors, "groups": facts.groups}
    for name, value in sorted(tensors.items()):
        total.update(f"{name}\0{tuple(value.shape)}\0{value.dtype}\0".encode())
        total.update(value.contiguous().numpy().tobytes())
    return total.hexdigest()
