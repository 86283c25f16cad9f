"""One image file -> RGB pixels, short side resized. Imports no torch, so that decoding processes start at once."""

import stat
import warnings
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

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
        return np.asarray(_resize_short_side(_to_rgb(_read(path)), size))
    except FileNotFoundError as error:
        raise SemcoError(f"image {path} does not exist: restore it, or take it out of the labels feather") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SemcoError(f"image {path} is too large to be trusted ({error}): shrink it or take it out") from error
    except (_DamagedError, OSError, ValueError) as error:
        raise SemcoError(
            f"image {path} cannot be decoded ({type(error).__name__.strip('_')}: {error}): replace it, or pass --skip-bad-images"
        ) from error


class _DamagedError(Exception):
    """Pillow's decoder gave up, or there is nothing to decode."""


def _read(path: Path | str) -> Image.Image:
    """Decode a file, upright, in whatever mode it has."""
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        # Opening a pipe waits for ever; what /proc and /sys hold says that it has no size.
        raise _DamagedError("it is empty or no file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Oddities in metadata that Pillow mentions are no reason to stop.
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(path, formats=_formats()) as image:
                # Filters of warnings are shared by all threads, so a warning alone is no guard.
                _check_size(*image.size)
                image.load()
                return ImageOps.exif_transpose(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, OSError):
        raise
    # A damaged image makes Pillow's fifty decoders fail in nearly any way; none of them is a bug of this program.
    except Exception as error:
        raise _DamagedError(f"{type(error).__name__}: {error}") from error


@cache
def _formats() -> tuple[str, ...]:
    """All that Pillow reads, without PostScript, which it hands to an interpreter of programs."""
    Image.init()
    return tuple(name for name in Image.ID if name != "EPS")


def _check_size(width: int, height: int) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise Image.DecompressionBombError(f"{width} x {height} pixels, more than {limit}")


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
    if not np.isfinite(pixels).all():
        raise ValueError("it holds pixels that are not finite")
    highest = float(pixels.max())
    if image.mode == "F":
        scale = 255.0 if highest <= 1.0 else 1.0
    else:
        scale = 1.0 if highest <= 255 and image.mode == "I" else 255.0 / 65535.0
    return Image.fromarray(np.clip(pixels * scale + 0.5, 0, 255).astype(np.uint8))


def _resize_short_side(image: Image.Image, size: int) -> Image.Image:
    width, height = image.size
    if min(width, height) == size:
        return image
    # Whole-number arithmetic of torchvision's `_compute_resized_output_size`.
    new = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    # A picture one pixel wide grows as it is brought to size.
    _check_size(*new)
    return image.resize(new, Image.Resampling.BILINEAR)
