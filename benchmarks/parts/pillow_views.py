"""Views made the obvious way, one image at a time with Pillow.

Tests compare the batched code with them pixel by pixel; benchmarks compare the speed.
"""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from loaders.views.plan import Op

FILL = (128, 128, 128)
MAGNITUDE = 10


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, resample=Image.Resampling.BILINEAR, fillcolor=FILL
    )


def apply_op(image: Image.Image, op: Op, *, negative: bool) -> Image.Image:
    """Apply one RandAugment operation."""
    sign = -1 if negative else 1
    factor = 0.1 + 1.8 * MAGNITUDE / 10
    shear = sign * 0.3 * MAGNITUDE / 10
    shift = sign * (image.width // 3) * MAGNITUDE / 10
    match op:
        case Op.IDENTITY:
            return image
        case Op.AUTOCONTRAST:
            return ImageOps.autocontrast(image)
        case Op.EQUALIZE:
            return ImageOps.equalize(image)
        case Op.ROTATE:
            return image.rotate(sign * 30 * MAGNITUDE / 10, resample=Image.Resampling.BILINEAR, fillcolor=FILL)
        case Op.SOLARIZE:
            return ImageOps.solarize(image, int(256 * MAGNITUDE / 10))
        case Op.COLOR:
            return ImageEnhance.Color(image).enhance(factor)
        case Op.CONTRAST:
            return ImageEnhance.Contrast(image).enhance(factor)
        case Op.BRIGHTNESS:
            return ImageEnhance.Brightness(image).enhance(factor)
        case Op.SHARPNESS:
            return ImageEnhance.Sharpness(image).enhance(factor)
        case Op.SHEAR_X:
            return _affine(image, (1, shear, 0, 0, 1, 0))
        case Op.SHEAR_Y:
            return _affine(image, (1, 0, 0, shear, 1, 0))
        case Op.TRANSLATE_X:
            return _affine(image, (1, 0, shift, 0, 1, 0))
        case Op.TRANSLATE_Y:
            return _affine(image, (1, 0, 0, 0, 1, shift))
        case Op.POSTERIZE:
            return ImageOps.posterize(image, int(4 * MAGNITUDE / 10))


def crop(image: Image.Image, *, y: float, x: float, flip: bool, size: int, pad: int = 4) -> Image.Image:
    """Reflect-pad, crop at the fractions (y, x) of the possible positions, flip."""
    padded = np.pad(np.asarray(image), ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    top = int(y * (padded.shape[0] - size + 1))
    left = int(x * (padded.shape[1] - size + 1))
    cut = Image.fromarray(np.ascontiguousarray(padded[top : top + size, left : left + size]))
    return ImageOps.mirror(cut) if flip else cut


def cutout(image: Image.Image, *, r1: float, r2: float) -> Image.Image:
    """Paint a grey square around the centre (r1, r2), given as fractions of height and width."""
    half = image.width // 4
    y, x = int(r1 * image.height), int(r2 * image.width)
    pixels = np.array(image)
    pixels[max(0, y - half) : y + half, max(0, x - half) : x + half] = 128
    return Image.fromarray(pixels)


def strong_view(image: Image.Image, ops, negative, centre) -> Image.Image:
    """Apply the operations of one row of a plan, then cutout."""
    for op, sign in zip(ops, negative, strict=True):
        image = apply_op(image, Op(int(op)), negative=bool(sign))
    return cutout(image, r1=float(centre[0]), r2=float(centre[1]))
