"""Weak and strong views per second on one core: batched, and one image at a time with Pillow."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.parts import pillow_views
from benchmarks.parts.timing import in_turn
from benchmarks.parts.workload import generated_store
from loaders.views.augment import strong_views
from loaders.views.plan import BatchShape, draw_epoch

SIZES = {32: 448, 84: 112, 224: 28}


def views_per_second(*, repetitions: int) -> dict[str, Any]:
    """Return views/s at several sizes; a strong view is crop, flip, RandAugment and cutout."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {f"{size} pixels": _measure(size, count, repetitions) for size, count in SIZES.items()}
    finally:
        torch.set_num_threads(threads)


def _measure(size: int, count: int, repetitions: int) -> dict[str, float]:
    store = generated_store(count, size)
    images = store.pixels.view(count, size, size, 3).numpy()
    shape = BatchShape(steps=1, labelled=1, unlabelled=count)
    plan = draw_epoch(seed=1, epoch=0, num_labelled=1, num_unlabelled=count, shape=shape)

    def pillow_weak(row: int) -> Image.Image:
        image = Image.fromarray(images[int(plan.weak.image[row])])
        place = {"y": float(plan.weak.y[row]), "x": float(plan.weak.x[row]), "flip": bool(plan.weak.flip[row])}
        return pillow_views.crop(image, **place, size=size)

    def pillow_strong(row: int) -> Image.Image:
        augment = plan.augment
        return pillow_views.strong_view(pillow_weak(row), augment.ops[row], augment.negative[row], augment.centre[row])

    runs = {
        "weak": lambda: store.crops(plan.weak, size),
        "strong": lambda: strong_views(store.crops(plan.weak, size), plan.augment),
        "pillow_weak": lambda: np.stack([np.asarray(pillow_weak(row)) for row in range(count)]),
        "pillow_strong": lambda: np.stack([np.asarray(pillow_strong(row)) for row in range(count)]),
    }
    rates = {name: count / time for name, time in in_turn(runs, repetitions=repetitions).items()}
    return {
        **{f"{name}_per_second": round(rate) for name, rate in rates.items()},
        "weak_ratio": round(rates["weak"] / rates["pillow_weak"], 2),
        "strong_ratio": round(rates["strong"] / rates["pillow_strong"], 2),
    }
