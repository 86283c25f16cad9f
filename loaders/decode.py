"""One image file -> RGB pixels, short side resized. Imports no torch, so that decoding processes start at once."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from utils.errors import SemcoError


def decode_image(path: Path | str, size: int) -> np.ndarray:
    """Read an image as uint8 (h, w, 3) with its short side resized to `size` pixels.

    Any mode that Pillow opens: EXIF rotation is applied, transparency is laid over white, 16-bit and float greyscale
    are scaled to 8 bits. Resizing is bilinear and antialiased, the long side cut to whole pixels, as
    `torchvision.transforms.Resize` does it on Pillow images.

    Raises:
        SemcoError: missing, damaged, truncated or suspiciously large file; the message names it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Oddities in metadata that Pillow mentions are no reason to stop.
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(path) as image:
                image.load()
                return np.asarray(_resize_short_side(_to_rgb(ImageOps.exif_transpose(image)), size))
    except FileNotFoundError as error:
        raise SemcoError(f"image {path} does not exist: restore it, or take it out of the labels feather") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SemcoError(f"image {path} is too large to be trusted ({error}): shrink it or take it out") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        # Pillow's plug-ins report a damaged file with any of these.
        raise SemcoError(
            f"image {path} cannot be decoded ({type(error).__name__}: {error}): replace it, or pass --skip-bad-images"
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _scale_deep(image).convert("RGB")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


def _scale_deep(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and float greyscale to 8 bits; Pillow's own conversion clips at 255, a white image."""
    pixels = np.asarray(image).astype(np.float64)
    highest = float(np.nanmax(pixels))
    if image.mode == "F":
        scale = 255.0 if highest <= 1.0 else 1.0
    else:
        scale = 1.0 if highest <= 255 and image.mode == "I" else 255.0 / 65535.0
    return Image.fromarray(np.clip(np.nan_to_num(pixels) * scale + 0.5, 0, 255).astype(np.uint8))


def _resize_short_side(image: Image.Image, size: int) -> Image.Image:
    width, height = image.size
    if min(width, height) == size:
        return image
    # Whole-number arithmetic of torchvision's `_compute_resized_output_size`.
    new = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    return image.resize(new, Image.Resampling.BILINEAR)
