"""Images for tests: crops of real photographs (scikit-learn ships two) and generated extremes."""

import functools

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images


@functools.cache
def photographs() -> tuple[np.ndarray, ...]:
    """Two colour photographs, uint8 (427, 640, 3)."""
    return tuple(load_sample_images().images)


def photo_crops(count: int, height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Random crops of the photographs at random scales, uint8 (count, height, width, 3)."""
    rng = np.random.default_rng(seed)
    crops = []
    for _ in range(count):
        photo = photographs()[rng.integers(2)]
        scale = rng.uniform(1.0, min(photo.shape[0] / height, photo.shape[1] / width))
        tall, wide = int(height * scale), int(width * scale)
        top = rng.integers(photo.shape[0] - tall + 1)
        left = rng.integers(photo.shape[1] - wide + 1)
        cut = Image.fromarray(photo[top : top + tall, left : left + wide])
        crops.append(np.asarray(cut.resize((width, height), Image.Resampling.BILINEAR)))
    return np.stack(crops)


def extreme_images(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Noise, flat, grey, one-level-range, two-level, gradient and nearly flat images, uint8 (n, height, width, 3)."""
    rng = np.random.default_rng(seed)
    shape = (height, width, 3)
    images = [rng.integers(0, 256, shape) for _ in range(300)]
    for level in range(0, 256, 5):
        images.append(np.full(shape, level))
        images.append(rng.integers(level, min(level + 2, 256), shape))
        images.append(np.repeat(rng.integers(0, 256, (height, width, 1)), 3, axis=2))
        images.append(rng.choice([0, 255], shape))
        images.append(rng.integers(level, 256, shape))
        one_off = np.full(shape, level)
        one_off[height // 2, width // 3] = 255 - level
        images.append(one_off)
    ramp = np.linspace(0, 255, width)[None, :, None] * np.ones(shape)
    images += [ramp, ramp.transpose(1, 0, 2)] if height == width else [ramp]
    images += [np.full(shape, (255, 0, 0)), np.full(shape, (0, 255, 1)), np.full(shape, (254, 255, 255))]
    return np.stack(images).astype(np.uint8)


def to_tensor(images: np.ndarray):
    """(n, H, W, 3) array -> (n, 3, H, W) tensor."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def to_array(images) -> np.ndarray:
    """(n, 3, H, W) tensor -> (n, H, W, 3) array."""
    return images.permute(0, 2, 3, 1).numpy()
