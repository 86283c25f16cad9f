"""Run folders as a run leaves them, made up without training."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from utils.flags.config import Config
from utils.results.evaluation import evaluate_fully
from utils.results.prediction_file import write_predictions
from utils.results.predictions import UNKNOWN, Predictions

HOSTILE = (
    "<script>document.title='owned'</script>", "<img src=x onerror=alert(1)>", "\"quoted\" & 'more'", "{{ 7 * 7 }}",
    "$\\alpha$ | a_b * c", "a-very-long-name-without-a-single-space-in-it-that-goes-on-for-quite-a-while-and-then-some-more",
    "\u732b \u72ac", "</style></table>", "javascript:alert(1)", "url(https://example.org/x.png)",
)  # fmt: skip
_DIGEST = "0123456789abcdef" * 4


def make_run(
    folder: Path,
    *,
    classes: int = 10,
    names=None,
    images: int = 200,
    epochs: int = 4,
    accuracy: float = 0.7,
    seed: int = 0,
    complete: bool = True,
    with_tables: bool = True,
    pseudo: bool = True,
    split: str = _DIGEST,
    resolved=None,
    **flags,
) -> Path:
    """Make a run folder; classes 2k and 2k + 1 share a group, and mistakes mostly stay in it.

    Args:
        flags: those that differ from the defaults.
        resolved: entries of config.json's "resolved" that differ from the made-up ones.
    """
    folder.mkdir(parents=True)
    names = [str(name) for name in names or [f"class {place}" for place in range(classes)]]
    chosen = {"dataset_name": "made", "lam_u": 1.0, "lambda_emb": 3.0, "seed": seed, "n_epoches": epochs, **flags}
    content = {
        "flags": {**Config().as_json(), **chosen},
        "resolved": {**_resolved(names, images, split), **(resolved or {})},
        "environment": {"python": "3.12.0", "platform": "Linux", "git_commit": "a" * 40, "torch": "2.7.0"},
    }
    (folder / "config.json").write_text(json.dumps(content))
    history = [_record(epoch, epochs, accuracy, pseudo=pseudo) for epoch in range(1, epochs + 1)]
    write_history(folder, history)
    if complete:
        (folder / "summary.json").write_text(json.dumps({"last": {"top1": history[-1]["top1"]}}))
    lines = [
        f'"{name.replace(chr(34), chr(34) * 2)}",term {place},edit1,{place // 2}' for place, name in enumerate(names)
    ]
    (folder / "label_groups.csv").write_text("\n".join(["class,term,rule,group", *lines]) + "\n", encoding="utf-8")
    if with_tables and pseudo:
        (folder / "pool_per_class.json").write_text(
            json.dumps([_pool_row(name, place) for place, name in enumerate(names)])
        )
    if with_tables:
        _write_tables(folder, names, images, accuracy, np.random.default_rng(seed))
    return folder


def write_history(folder: Path, history) -> None:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(record) + "\n" for record in history))


def make_images(folder: Path, count: int) -> None:
    """Write the images that the tables name, below the dataset's folder."""
    (folder / "test").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for place in range(count):
        pixels = rng.integers(0, 255, (28, 28, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((140, 112)).save(folder / "test" / f"{place:05d}.png")


def _resolved(names, images: int, split: str) -> dict:
    return {
        "classes": len(names),
        "labelled_images": 40,
        "unlabelled_images": 5000,
        "validation_images": images,
        "validation_source": f"all {images} images of data/made/test",
        "training_set": _DIGEST,
        "labelled_split": split,
        "validation_set": _DIGEST[::-1],
        "validation_split": None,
        "parameters": 1_500_000,
        "num_groups": (len(names) + 1) // 2,
        "precision": "bfloat16",
        "device": "cpu",
        "processes": 1,
    }


def _record(epoch: int, epochs: int, accuracy: float, *, pseudo: bool) -> dict:
    done = epoch / epochs
    record = {
        "epoch": epoch, "step": 100 * epoch, "loss": 3 - done, "class_labelled": 1 - 0.9 * done, "class_unlabelled": 0.5 * done,
        "emb_labelled": 0.5, "emb_unlabelled": 0.2, "mask_rate": 0.6 * done, "emb_mask_rate": 0.8 * done,
        "any_mask_rate": 0.85 * done, "lr": 0.03 * (1.1 - done), "images_per_second": 400.0, "seconds": 60.0,
        "top1": 100 * accuracy * done**0.5, "top5": 95.0, "top1_emb": 98 * accuracy * done**0.5, "top5_emb": 93.0,
        "top1_combined": 101 * accuracy * done**0.5, "valid_loss": 2 - done,
    }  # fmt: skip
    if pseudo:
        for head, scale in (("class", 1.0), ("emb", 0.98), ("both", 1.02)):
            record |= {f"pseudo_{head}_coverage": 0.7 * done, f"pseudo_{head}_precision": 0.9 * scale}
        for head in ("class", "emb"):
            record |= {
                f"pseudo_{head}_within_group_errors": 0.4, f"pseudo_{head}_ece": 0.1,
                f"pseudo_{head}_uniform_distance": 0.2, f"pseudo_precision_disagree_{head}": 0.4,
            }  # fmt: skip
        record |= {"pseudo_agreement": 0.8, "pseudo_images": 5000}
    return record


def _pool_row(name: str, place: int) -> dict:
    guesses = {"class_confident": 10 + place, "class_right": 10, "emb_confident": 0, "emb_right": 0}
    return {"class": name, "images": 20, **guesses}


def _write_tables(folder: Path, names, images: int, accuracy: float, rng) -> None:
    groups = np.arange(len(names)) // 2
    predictions = _predictions(len(names), images, accuracy, rng)
    write_predictions(folder / "predictions.parquet", predictions, names, groups)
    (folder / "evaluation.json").write_text(json.dumps(evaluate_fully(predictions, names, groups)))
    pool = _predictions(len(names), images, accuracy, rng)
    pool.labels[:] = UNKNOWN
    write_predictions(folder / "pool.parquet", pool, names, groups)


def _predictions(classes: int, images: int, accuracy: float, rng) -> Predictions:
    labels = rng.integers(0, classes, images)
    heads = []
    for _ in range(2):
        partner = np.minimum(labels ^ 1, classes - 1)
        wrong = np.where(rng.random(images) < 0.6, partner, rng.integers(0, classes, images))
        said = np.where(rng.random(images) < accuracy, labels, wrong)
        scores = rng.normal(size=(images, classes))
        scores[np.arange(images), said] += rng.uniform(2, 8, images)
        scores = np.exp(scores - scores.max(1, keepdims=True))
        heads.append((scores / scores.sum(1, keepdims=True)).astype(np.float32))
    return Predictions(
        ids=tuple(f"test/{place:05d}.png" for place in range(images)),
        labels=labels,
        class_probabilities=heads[0],
        emb_probabilities=heads[1],
        group_scores=rng.random(images).astype(np.float32),
        embeddings=np.zeros((images, 4), dtype=np.float32),
    )
