"""Decide where decoded pixels lie during training, and bring them there."""

import dataclasses
import logging

import torch

from loaders.pixels.store import ImageStore, PixelStore
from loaders.training_data import TrainingData
from utils.errors import SemcoError

LOGGER = logging.getLogger("semco")
# The rest is for the network's activations, which nobody has measured yet when this is decided.
_SHARE_OF_FREE_MEMORY = 0.5


def place_pixels(data: TrainingData, wanted: str, device: torch.device) -> TrainingData:
    """Move the pixels to the GPU that trains, if they should and can.

    Args:
        wanted: `cuda`, `cpu`, or `auto`: on the GPU when they fill less than half of its free memory.

    Raises:
        SemcoError: `cuda` is wanted, but no GPU trains, or images are decoded on the fly, or they are too many.
    """
    if wanted == "cpu" or (wanted == "auto" and device.type == "cpu"):
        return data
    if device.type != "cuda":
        raise SemcoError("--data-device cuda: training is on the CPU; drop the flag, or pass --device cuda")
    stores = {id(store): store for store in (data.pool.store, data.validation)}.values()
    if not all(isinstance(store, PixelStore) for store in stores):
        if wanted == "cuda":
            raise SemcoError("--data-device cuda needs decoded pixels: drop --cache-imgs none")
        return data
    size, free = sum(store.num_bytes for store in stores), torch.cuda.mem_get_info(device)[0]
    if wanted == "auto" and size > _SHARE_OF_FREE_MEMORY * free:
        return data
    if size > free:
        raise SemcoError(
            f"--data-device cuda: the pixels take {size / 2**30:.1f} GiB, the GPU has {free / 2**30:.1f} GiB free; "
            "pass --data-device cpu, or a smaller --im-size"
        )
    LOGGER.info("pixels lie on the GPU")
    return _moved(data, device)


def _moved(data: TrainingData, device: torch.device) -> TrainingData:
    pool = data.pool.to(device)
    same: ImageStore = pool.store if data.validation is data.pool.store else data.validation.to(device)
    return dataclasses.replace(
        data,
        pool=pool,
        validation=same,
        validation_rows=data.validation_rows.to(device),
        validation_labels=data.validation_labels.to(device),
    )
