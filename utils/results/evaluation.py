"""Everything that a run's last evaluation says: `evaluation.json`. docs/results.md explains every number."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

# scikit-learn's joblib warns where /dev/shm is missing, though nothing here needs its processes.
os.environ.setdefault("JOBLIB_MULTIPROCESSING", "0")
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from utils.results.predictions import UNKNOWN, Predictions, rank
from utils.results.pseudo_labels import CALIBRATION_BINS, calibration_bins, calibration_error
from utils.results.statistics import wilson_interval

HEADS = ("class", "embedding", "combined")
_STEPS = 20


def evaluate_fully(predictions: Predictions, class_names: Sequence[str], group_ids: Sequence[int]) -> dict[str, Any]:
    """Measure both heads, each alone and combined, against the truth, and against each other.

    Images whose class nobody knows count only for the heads' agreement.

    Args:
        group_ids: label group of each class.

    Returns:
        Plain values that JSON can hold; what is undefined, such as the precision of a class that is never predicted, is None.
    """
    groups = np.asarray(group_ids, dtype=np.int64)
    known = predictions.labels != UNKNOWN
    labels = predictions.labels[known]
    probabilities = {
        "class": predictions.class_probabilities,
        "embedding": predictions.emb_probabilities,
        "combined": predictions.combined,
    }
    heads = {name: _evaluate_head(values[known], labels, groups) for name, values in probabilities.items()}
    guesses = [rank(probabilities[name], 1)[0][:, 0] for name in ("class", "embedding")]
    return {
        "images": len(predictions.labels),
        "images_with_truth": int(known.sum()),
        "class_names": list(class_names),
        "group_ids": groups.tolist(),
        "heads": heads if known.any() else {},
        "agreement": _agreement(*guesses, predictions.labels),
    }


def _evaluate_head(probabilities: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    if not len(labels):
        return {}
    classes = len(groups)
    best, values = rank(probabilities, 5)
    # A diverged network's NaN is no confidence at all.
    predicted, confidence = best[:, 0], np.nan_to_num(values[:, 0].astype(np.float64))
    right = predicted == labels
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=np.arange(classes), zero_division=np.nan
    )
    present = support > 0
    return {
        "top1": _share(int(right.sum()), len(labels)),
        "top5": _share(int((best == labels[:, None]).any(1).sum()), len(labels)),
        "macro": {
            "precision": _mean(precision[present]),
            "recall": _mean(recall[present]),
            "f1": _mean(f1[present]),
        },
        "per_class": {
            "precision": _plain(precision),
            "recall": _plain(recall),
            "f1": _plain(f1),
            "support": support.tolist(),
        },
        "confusion": _sparse(confusion_matrix(labels, predicted, labels=np.arange(classes))),
        "errors": _errors(predicted[~right], labels[~right], groups),
        "calibration": calibration(confidence, right),
        "coverage": accuracy_by_coverage(confidence, right),
    }


def calibration(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Compare confidence with accuracy in the bins of `calibration_error`.

    Args:
        confidence, right: float64 and bool (N,).

    Returns:
        The expected calibration error, the mean confidence, and of each bin that holds images its bounds, count, mean
        confidence and accuracy.
    """
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    places = calibration_bins(confidence)
    bins = []
    for place in np.unique(places):
        inside = places == place
        bins.append(
            {
                "low": float(edges[place]),
                "high": float(edges[place + 1]),
                "images": int(inside.sum()),
                "confidence": float(confidence[inside].mean()),
                "accuracy": float(right[inside].mean()),
            }
        )
    return {"error": calibration_error(confidence, right), "mean_confidence": float(confidence.mean()), "bins": bins}


def accuracy_by_coverage(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    """Accuracy on the most confident images: about 5%, 10%, ... 100% of them.

    Images of equal confidence are taken together, so a point's coverage can lie above its step.
    """
    order = np.argsort(-confidence, kind="stable")
    descending, hits = confidence[order], np.cumsum(right[order])
    ends = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))
    wanted = np.ceil(np.arange(1, _STEPS + 1) * len(right) / _STEPS).astype(int) - 1
    return [
        {
            "coverage": float((end + 1) / len(right)),
            "accuracy": float(hits[end] / (end + 1)),
            "threshold": float(descending[end]),
        }
        for end in np.unique(ends[np.searchsorted(ends, wanted)])
    ]


def _errors(predicted: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> dict[str, Any]:
    """Count the errors inside the right label group and outside it.

    `share_by_chance`: share inside if every error fell on one of the other classes with equal probability.
    """
    sizes = np.bincount(np.unique(groups, return_inverse=True)[1])[np.unique(groups, return_inverse=True)[1]]
    inside = int((groups[predicted] == groups[labels]).sum())
    total = len(labels)
    return {
        "total": total,
        "within_group": inside,
        "between_groups": total - inside,
        "within_group_share": inside / total if total else None,
        "share_by_chance": _mean((sizes[labels] - 1) / (len(groups) - 1)) if total else None,
    }


def _agreement(by_class: np.ndarray, by_embedding: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """How often the heads say the same, and of the images whose class is known, who is right."""
    same, known = by_class == by_embedding, labels != UNKNOWN
    class_right, emb_right = by_class == labels, by_embedding == labels
    return {
        "share": _mean(same),
        "both_right": int((known & class_right & emb_right).sum()),
        "only_class_right": int((known & class_right & ~emb_right).sum()),
        "only_embedding_right": int((known & ~class_right & emb_right).sum()),
        "both_wrong_same": int((known & ~class_right & same).sum()),
        "both_wrong_different": int((known & ~class_right & ~emb_right & ~same).sum()),
    }


def _share(right: int, total: int) -> dict[str, Any]:
    return {"right": right, "images": total, "accuracy": right / total, "interval": list(wilson_interval(right, total))}


def _sparse(matrix: np.ndarray) -> dict[str, list[int]]:
    """The cells of a confusion matrix that are not zero: 1,000 classes have a million cells, nearly all of them empty."""
    labels, predicted = np.nonzero(matrix)
    return {"label": labels.tolist(), "predicted": predicted.tolist(), "images": matrix[labels, predicted].tolist()}


def _mean(values: np.ndarray) -> float | None:
    """The mean of the values that are defined, None if there is none."""
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else None


def _plain(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
