"""One image file -> RGB pixels, short side resized. Imports no torch, so that decoding processes start at once."""

import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from loaders.pixels.formats import HEIC_NEEDS, image_formats, is_heic, register_heic
from utils.errors import SemcoError

# What an EXIF orientation asks for; 1, and whatever is not listed, is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Highest values of 8, 12 and 16 bits: what cameras and scanners store in wider numbers.
_FULL_SCALES = (255.0, 4095.0, 65535.0)
# A block with a header and an empty directory. A longer one in which Pillow finds nothing is broken.
_EMPTY_EXIF_BYTES = 20
_DDS_HEADER_BYTES = 128
_LONGEST_REASON = 300


@dataclass(frozen=True)
class DecodedImage:
    """An image's pixels, uint8 (h, w, 3), and whether its EXIF block, if it has one, could be read."""

    pixels: np.ndarray
    has_good_exif: bool


def decode_image(path: Path | str, size: int) -> np.ndarray:
    """Return the pixels of `decode`, uint8 (h, w, 3)."""
    return decode(path, size).pixels


def decode(path: Path | str, size: int) -> DecodedImage:
    """Read an image, with its short side resized to `size` pixels.

    Any mode that Pillow opens, and HEIC where pillow-heif is installed; the content decides, not the suffix. EXIF rotation is
    applied, or left out where the block is broken; transparency is laid over white; greyscale of more than 8 bits is scaled
    (`_scale_deep`). Resizing is bilinear and antialiased, the long side cut to whole pixels, as
    `torchvision.transforms.Resize` does it on Pillow images.

    Raises:
        SemcoError: missing, damaged, truncated or suspiciously large file; the message names it.
    """
    try:
        image, has_good_exif = _read(path)
        return DecodedImage(np.asarray(_resize_short_side(_to_rgb(image), size)), has_good_exif)
    except FileNotFoundError as error:
        raise SemcoError(f"image {path} does not exist: restore it, or take it out of the labels feather") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise SemcoError(f"image {path} is too large to be trusted ({error}): shrink it or take it out") from error
    except (_DamagedError, OSError, ValueError) as error:
        reason = f"{type(error).__name__.strip('_')}: {error}"[:_LONGEST_REASON]
        raise SemcoError(f"image {path} cannot be decoded ({reason}): replace it, or pass --skip-bad-images") from error


class _DamagedError(Exception):
    """Pillow's decoder gave up, or there is nothing to decode."""


def _read(path: Path | str) -> tuple[Image.Image, bool]:
    """Decode a file, upright, in whatever mode it has; False beside it when its EXIF block is broken."""
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode) or not status.st_size:
        # Opening a pipe waits for ever; what /proc and /sys hold says that it has no size.
        raise _DamagedError("it is empty or no file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Oddities in metadata that Pillow mentions are no reason to stop.
            warnings.simplefilter("ignore", UserWarning)
            with _open(path) as image:
                # Filters of warnings are shared by all threads, so a warning alone is no guard.
                _check_size(*image.size)
                if status.st_size < _least_bytes(image):
                    raise _DamagedError("it is cut short")
                image.load()
                return _upright(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, OSError):
        raise
    # A damaged image makes Pillow's fifty decoders fail in nearly any way; none of them is a bug of this program.
    except Exception as error:
        raise _DamagedError(f"{type(error).__name__}: {error}") from error


def _least_bytes(image: Image.Image) -> int:
    """Return how long an image's file must be, where Pillow does not notice by itself that it is cut short.

    Older versions fill what an uncompressed DDS lacks with black.
    """
    found = [tile for tile in image.tile if tile[0] == "dds_rgb"]
    return sum(_DDS_HEADER_BYTES + image.width * image.height * tile[3][0] // 8 for tile in found)


def _open(path: Path | str) -> Image.Image:
    try:
        return Image.open(path, formats=image_formats())
    except Image.UnidentifiedImageError as error:
        if not is_heic(path):
            raise
        if not register_heic():
            raise _DamagedError(HEIC_NEEDS) from error
        return Image.open(path, formats=["HEIF"])


def _upright(image: Image.Image) -> tuple[Image.Image, bool]:
    try:
        exif = image.getexif()
        turn = _TURNS.get(exif.get(ExifTags.Base.Orientation))
    # Pillow's EXIF reader fails in many ways on a broken block, which says nothing about the pixels.
    except Exception:
        return image, False
    is_good = bool(exif) or len(image.info.get("exif") or b"") <= _EMPTY_EXIF_BYTES
    return image.transpose(turn) if turn is not None else image, is_good


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
    """Bring greyscale of 16 bits, 32 bits or floats to 8 bits; Pillow's own conversion clips at 255, a white image.

    Black is 0 and white the smallest full scale that holds the image's highest value: 1 (floats only), 255, 4095 (12 bits) or
    65535. An image with negative or higher values has no usual scale: its lowest value becomes black, its highest white.
    """
    pixels = np.asarray(image).astype(np.float64)
    if not np.isfinite(pixels).all():
        raise ValueError("it holds pixels that are not finite")
    low, high = min(0.0, float(pixels.min())), float(pixels.max())
    scales = (1.0, *_FULL_SCALES) if image.mode == "F" else _FULL_SCALES
    fitting = [scale for scale in scales if high <= scale]
    white = fitting[0] if fitting and low >= 0 else high
    if not fitting or low < 0:
        low = float(pixels.min())
    # Halves before the difference: the range of a float image may be twice what a float can hold.
    share = (pixels / 2 - low / 2) / max(white / 2 - low / 2, np.finfo(np.float64).tiny)
    return Image.fromarray(np.clip(share * 255.0 + 0.5, 0, 255).astype(np.uint8))


def _resize_short_side(image: Image.Image, size: int) -> Image.Image:
    width, height = image.size
    if min(width, height) == size:
        return image
    # Whole-number arithmetic of torchvision's `_compute_resized_output_size`.
    new = (size, int(size * height / width)) if width <= height else (int(size * width / height), size)
    # A picture one pixel wide grows as it is brought to size.
    _check_size(*new)
    return image.resize(new, Image.Resampling.BILINEAR)
