"""Exact counts over all images of an evaluation, and the summary of a run."""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

CLASS_HEAD = ("top1", "top5")
# In which the embedding head has a part: not measured where it is not trained (--lambda-emb 0).
EMBEDDING_HEAD = ("top1_emb", "top5_emb", "top1_combined")


def top_k_hits(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """Count the rows of `scores` (n, C) whose label (n,) is among the min(k, C) highest; a 0-d float64 tensor."""
    best = scores.topk(min(k, scores.shape[1]), dim=1).indices
    return (best == labels[:, None]).any(1).sum(dtype=torch.float64)


def is_better(record: dict[str, Any], best: dict[str, Any] | None, metric: str) -> bool:
    """Say whether an epoch beats the best so far by `metric`: accuracy (top1, higher) or loss (valid_loss, lower).

    Every loss beats NaN, which a diverging network's can be.
    """
    if best is None:
        return True
    if metric == "loss":
        new, old = record["valid_loss"], best["valid_loss"]
        return new < old or (math.isnan(old) and not math.isnan(new))
    return record["top1"] > best["top1"]


def summarise(history: Sequence[dict[str, Any]], best_epoch: int) -> dict[str, dict[str, float]]:
    """Accuracies of the last epoch, of the best, and their median over the last 20 epochs."""
    last, tail = history[-1], history[-20:]
    names = [name for name in (*CLASS_HEAD, *EMBEDDING_HEAD, "valid_loss") if name in last]
    best = next(record for record in history if record["epoch"] == best_epoch)
    return {
        "last": {name: last[name] for name in names},
        "best": {name: best[name] for name in names},
        "median_of_last_20": {name: statistics.median(record[name] for record in tail) for name in names},
    }


def format_loss(loss: float) -> str:
    """Format a loss for the screen, briefly even if it is that of a diverging network."""
    return f"{loss:.4f}" if abs(loss) < 1e6 else f"{loss:.4g}"


def format_summary(history: Sequence[dict[str, Any]], best_epoch: int) -> str:
    """Lay the summary out as a table for the screen."""
    epochs = history[-1]["epoch"]
    heads = {"last": f"last epoch ({epochs})", "best": f"best epoch ({best_epoch})"}
    heads["median_of_last_20"] = f"median of the last {min(20, epochs)}"
    columns = {
        "top1": "class head",
        "top5": "class top-5",
        "top1_emb": "embedding head",
        "top5_emb": "emb. top-5",
        "top1_combined": "both heads",
        "valid_loss": "valid. loss",
    }
    columns = {key: title for key, title in columns.items() if key in history[-1]}
    lines = ["top-1 / top-5 accuracy in %".ljust(28) + "".join(title.rjust(16) for title in columns.values())]
    for name, row in summarise(history, best_epoch).items():
        cells = (format_loss(row[key]) if key == "valid_loss" else f"{row[key]:.2f}" for key in columns)
        lines.append(heads[name].ljust(28) + "".join(cell.rjust(16) for cell in cells))
    return "\n".join(lines)
