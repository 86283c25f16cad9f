"""Images of every mode load sensibly; damaged ones are named."""

import io
import os
import struct

import numpy as np
import pytest
import torchvision
from PIL import EpsImagePlugin, Image, ImageOps

from loaders.pixels.decode import decode, decode_image
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


@pytest.mark.parametrize(
    ("dtype", "levels", "expected"),
    [
        (np.uint16, (0, 65535), (0, 255)),
        (np.uint16, (0, 32768), (0, 128)),
        (np.uint16, (0, 4095), (0, 255)),  # 12 bits in 16: not nearly black
        (np.uint16, (7, 255), (7, 255)),
        (np.int32, (0, 200), (0, 200)),
        (np.int32, (0, 65535), (0, 255)),
        (np.int32, (0, 2**31 - 1), (0, 255)),  # not nearly white
        (np.int32, (10**6, 2 * 10**6), (0, 255)),
        (np.int32, (-1000, 3000), (0, 255)),
        (np.int32, (-5, -5), (0, 0)),
        (np.float32, (0, 0.5), (0, 128)),
        (np.float32, (0, 200.0), (0, 200)),
        (np.float32, (0, 4095.0), (0, 255)),
        (np.float32, (-1, 1.0), (0, 255)),
        (np.float32, (0, 3e38), (0, 255)),
        (np.float32, (-3e38, 3e38), (0, 255)),
        (np.float32, (0, 0), (0, 0)),
    ],
)
def test_deep_images_are_scaled_by_their_range(tmp_path, dtype, levels, expected):
    pixels = np.full((20, 20), levels[0], dtype=dtype)
    pixels[:, 10:] = levels[1]
    decoded = decode_image(_saved(Image.fromarray(pixels), tmp_path / "a.tif"), 20)
    assert (decoded[:, :10] == expected[0]).all()
    assert (decoded[:, 10:] == expected[1]).all()


def test_exif_rotation_is_applied(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = _saved(photo, tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    pixels = decode_image(path, 60)
    assert pixels.shape == (80, 60, 3)
    upright = ImageOps.exif_transpose(Image.open(path))
    np.testing.assert_array_equal(pixels, np.asarray(upright))


@pytest.mark.parametrize("turn", range(1, 9))
def test_every_exif_rotation_equals_pillows(tmp_path, photo, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    path = _saved(photo, tmp_path / "a.png", exif=exif)
    decoded = decode(path, 60)
    np.testing.assert_array_equal(decoded.pixels, np.asarray(ImageOps.exif_transpose(Image.open(path))))
    assert decoded.has_good_exif


# One without a directory, and one that is no EXIF at all.
_BROKEN_EXIF = [
    b"Exif\0\0MM\0*\0\0\xff\xff" + bytes(40),
    b"Exif\0\0garbage that is no directory at all",
]


@pytest.mark.parametrize("block", _BROKEN_EXIF)
def test_a_broken_exif_block_costs_the_rotation_only(tmp_path, photo, block):
    plain = decode(_saved(photo, tmp_path / "a.jpg", quality=95), 60)
    broken = decode(_saved(photo, tmp_path / "b.jpg", quality=95, exif=block), 60)
    assert (plain.has_good_exif, broken.has_good_exif) == (True, False)
    np.testing.assert_array_equal(broken.pixels, plain.pixels)


def test_an_orientation_beside_a_broken_entry_is_applied(tmp_path, photo):
    """Pillow reads this block, but cannot write it again, which its own `exif_transpose` does."""
    block = bytes.fromhex(
        "457869660000 4d4d002a00000008 0003 01560002000000060000 0032 011200030000000100060000 011a00050000000100000038"
        "e9c40000 6d616b65720000000003 00000002"
    )
    path = _saved(photo, tmp_path / "a.jpg", exif=block)
    with Image.open(path) as image, pytest.raises(struct.error):
        ImageOps.exif_transpose(image)
    assert decode(path, 60).pixels.shape == (80, 60, 3)


def test_an_exif_block_that_pillow_fails_on_costs_the_rotation_only(tmp_path, photo, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = decode_image(_saved(photo, tmp_path / "b.jpg"), 60)
    path = _saved(photo, tmp_path / "a.jpg", exif=exif)
    monkeypatch.setattr(Image.Exif, "load", lambda *_: {}[7])
    broken = decode(path, 60)
    np.testing.assert_array_equal(broken.pixels, plain)
    assert not broken.has_good_exif


def test_an_empty_exif_block_is_not_broken(tmp_path, photo):
    block = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"
    assert decode(_saved(photo, tmp_path / "a.jpg", exif=block), 60).has_good_exif


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_libtiff_writes_nothing_of_its_own(tmp_path, photo, compression, capfd):
    path = _saved(photo, tmp_path / "a.tif", compression=compression)
    content = bytearray(path.read_bytes())
    for row in range(20, len(content) - 20, 40):
        content[row : row + 20] = b"\xff" * 20
    path.write_bytes(content)
    with pytest.raises(SemcoError, match=r"a\.tif cannot be decoded"):
        decode_image(path, 60)
    assert capfd.readouterr() == ("", "")


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
