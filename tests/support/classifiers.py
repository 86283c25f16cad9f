"""Checkpoints of untrained networks: enough to ask and to export, without a training."""

from pathlib import Path

import torch

from models.facts import VERSION
from models.networks.two_head import build_model
from tests.support.datasets import CLASSES
from utils.run.checkpoint import save_checkpoint


def facts(**changes: object) -> dict[str, object]:
    """Make the part `inference` of a checkpoint of the smallest network; `changes` replace entries of it."""
    count = len(changes.get("class_names", CLASSES))  # type: ignore[arg-type]
    return {
        "version": VERSION, "backbone": "wres", "wres_n": 10, "wres_k": 1, "im_size": 16, "cropsize": 16,
        "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3], "class_names": list(CLASSES), "terms": ["term"] * count,
        "class_vectors": torch.randn(count, 8, generator=torch.Generator().manual_seed(1)), "groups": torch.arange(count),
        "thr": 0.95, "thr_emb": 0.7, **changes,
    }  # fmt: skip


def write_checkpoint(path: Path, inference: dict[str, object] | None = None, /, **changes: object) -> Path:
    """Write a checkpoint; `changes` replace entries beside `inference`, None removes one."""
    inference = facts() if inference is None else inference
    torch.manual_seed(0)
    model = build_model(backbone="wres", num_classes=len(CLASSES), embedding_dim=8, wres_depth=10, wres_width=1)
    content = {
        "config": {"dataset_name": "tiny"}, "epoch": 1, "steps": 0, "number_format": "float32", "ema": model.state_dict(),
        "history": [{"epoch": 1, "top1": 12.5}], "inference": inference, **changes,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, {name: value for name, value in content.items() if value is not None})
    return path
