"""Images of every mode load sensibly; damaged ones are named."""

import io
import os

import numpy as np
import pytest
import torchvision
from PIL import EpsImagePlugin, Image, ImageOps

from loaders.pixels.decode import decode_image
from tests.support.sample_images import photo_crops
from utils.errors import SemcoError


@pytest.fixture
def photo() -> Image.Image:
    return Image.fromarray(photo_crops(1, 60, 80)[0])


def _saved(image: Image.Image, path, **options):
    image.save(path, **options)
    return path


@pytest.mark.parametrize("shape", [(60, 80), (80, 60), (32, 32), (20, 90), (200, 33), (33, 32)])
def test_resizing_equals_torchvision(tmp_path, shape):
    image = Image.fromarray(photo_crops(1, *shape)[0])
    ours = decode_image(_saved(image, tmp_path / "a.png"), 32)
    theirs = torchvision.transforms.functional.resize(image, 32)
    np.testing.assert_array_equal(ours, np.asarray(theirs))


def test_grey_palette_and_bilevel(tmp_path, photo):
    for mode in ("L", "P", "1"):
        converted = photo.convert(mode)
        pixels = decode_image(_saved(converted, tmp_path / f"{mode}.png"), 60)
        np.testing.assert_array_equal(pixels, np.asarray(converted.convert("RGB")))


def test_cmyk_keeps_its_colours(tmp_path, photo):
    pixels = decode_image(_saved(photo.convert("CMYK"), tmp_path / "a.jpg", quality=95), 60)
    assert np.abs(pixels.astype(int) - np.asarray(photo)).mean() < 6


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_over_white(tmp_path, photo, mode):
    image = photo.convert("RGBA")
    image.paste((10, 20, 30, 0), (0, 0, 40, 60))
    suffix = "tif" if mode == "PA" else "png"
    if mode == "PA":
        image = image.quantize(64)
        image.info["transparency"] = image.getpixel((0, 0))
        suffix = "png"
    else:
        image = image.convert(mode)
    pixels = decode_image(_saved(image, tmp_path / f"a.{suffix}"), 60)
    assert (pixels[:, :39] == 255).all()
    assert pixels[:, 41:].std() > 10


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (40, 40), 1)
    image.putpalette([0, 0, 0, 200, 10, 10])
    image.paste(0, (0, 0, 20, 40))
    pixels = decode_image(_saved(image, tmp_path / "a.gif", transparency=0), 40)
    assert (pixels[:, :20] == 255).all()
    assert (pixels[:, 20:] == (200, 10, 10)).all()


def test_sixteen_bits_are_scaled_not_clipped(tmp_path, photo):
    grey = np.asarray(photo.convert("L"))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    for suffix in ("png", "tif"):
        pixels = decode_image(_saved(deep, tmp_path / f"a.{suffix}"), 60)
        np.testing.assert_array_equal(pixels, np.repeat(grey[:, :, None], 3, axis=2))


def test_float_images(tmp_path, photo):
    grey = np.asarray(photo.convert("L")).astype(np.float32)
    for scale in (1.0, 1 / 255):
        pixels = decode_image(_saved(Image.fromarray(grey * scale), tmp_path / "a.tif"), 60)
        assert np.abs(pixels[..., 0].astype(int) - grey).max() <= 1


def test_exif_rotation_is_applied(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _saved(photo, tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    pixels = decode_image(path, 60)
    assert pixels.shape == (80, 60, 3)
    upright = ImageOps.exif_transpose(Image.open(path))
    np.testing.assert_array_equal(pixels, np.asarray(upright))


def test_damaged_images_are_named(tmp_path, photo):
    buffer = io.BytesIO()
    photo.save(buffer, "PNG")
    content = buffer.getvalue()
    damaged = {
        "cut.png": content[: len(content) // 2],
        "text.png": b"no image",
        "empty.jpg": b"",
        "head.png": content[:20],
    }
    for name, data in damaged.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SemcoError, match=f"{name} cannot be decoded.*--skip-bad-images"):
            decode_image(tmp_path / name, 32)


def test_missing_image(tmp_path):
    with pytest.raises(SemcoError, match="gone.png does not exist"):
        decode_image(tmp_path / "gone.png", 32)


def test_bombs_are_refused(tmp_path, monkeypatch):
    path = _saved(Image.new("1", (300, 300)), tmp_path / "bomb.png")
    for limit in (50_000, 1_000):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(SemcoError, match="bomb.png is too large"):
            decode_image(path, 32)


def test_bombs_that_grow_when_resized(tmp_path):
    for name, size in (("tall.png", (1, 900_000)), ("wide.png", (900_000, 1))):
        path = _saved(Image.new("1", size), tmp_path / name)
        with pytest.raises(SemcoError, match=f"{name} is too large"):
            decode_image(path, 32)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pixels_must_be_finite(tmp_path, value):
    pixels = np.zeros((20, 20), dtype=np.float32)
    pixels[3, 4] = value
    path = _saved(Image.fromarray(pixels), tmp_path / "a.tif")
    with pytest.raises(SemcoError, match="not finite"):
        decode_image(path, 20)


def test_postscript_is_never_interpreted(tmp_path, monkeypatch):
    """Pillow would hand it to whatever is called `gs`."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)
    (tmp_path / "gs").write_text(f"#!/bin/sh\n: > {tmp_path}/executed\n")
    (tmp_path / "gs").chmod(0o755)
    path = tmp_path / "a.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EOF\n")
    with pytest.raises(SemcoError, match="a.png cannot be decoded"):
        decode_image(path, 32)
    assert not (tmp_path / "executed").exists()
    with Image.open(path) as image, pytest.raises(OSError):
        image.load()
    assert (tmp_path / "executed").exists()


def test_pipes_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png"):
        with pytest.raises(SemcoError, match=f"{name} cannot be decoded"):
            decode_image(tmp_path / name, 32)
