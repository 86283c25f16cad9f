"""What a run's checkpoint holds, small enough to be written by the hundred."""

from typing import Any

import torch

from utils.flags.config import Config
from utils.metrics import CLASS_HEAD, EMBEDDING_HEAD


def record(epoch: int) -> dict[str, float]:
    """One line of metrics.jsonl, with what every one has."""
    return {"epoch": epoch, "loss": 1.0, "valid_loss": 2.0, **dict.fromkeys((*CLASS_HEAD, *EMBEDDING_HEAD), 50.0)}


def state_of(*, epoch: int = 2, steps: int = 3) -> dict[str, Any]:
    """The state of a trainer whose network is one tensor of 1,000 numbers."""
    weights = torch.arange(1000.0)
    return {
        "epoch": epoch,
        "steps": steps,
        "best_epoch": min(epoch, 1) or -1,
        "history": [record(number + 1) for number in range(epoch)],
        "images": 100,
        "seconds": 1.5,
        "number_format": "bfloat16",
        "precision": {},
        "model": {"w": weights},
        "ema": {"w": weights.clone()},
        "optimizer": {0: {"momentum_buffer": torch.zeros(1000)}},
        "tally": {
            "sums": torch.zeros(9), "step": torch.tensor(5), "broken": torch.tensor(0.0), "first_broken": torch.tensor(-1),
            "first_broken_parts": torch.zeros(8),
        },
        "rng": {"cpu": torch.get_rng_state()},
    }  # fmt: skip


def run_content(**state: Any) -> dict[str, Any]:
    """A whole checkpoint's content: the state, and what tells its run from others."""
    return {
        "config": Config().as_json(),
        "seed": 1,
        "fingerprints": {"training_set": "abc", "class_names": ["cat", "dog"], "label_vectors": "def"},
        **state_of(**state),
    }
