"""What counts as an image is told by content where the suffix says nothing."""

import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from loaders.pixels import formats
from loaders.pixels.decode import decode_image
from loaders.pixels.formats import image_suffixes, is_heic, is_image, register_heic
from tests.support.sample_images import photo_crops
from utils.errors import SemcoError


def _encoded(kind: str) -> bytes:
    text = io.BytesIO()
    Image.fromarray(photo_crops(1, 40, 50)[0]).save(text, kind)
    return text.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000"])
def test_a_file_without_a_suffix_is_told_by_content(tmp_path, kind):
    (tmp_path / "scan 7").write_bytes(_encoded(kind))
    assert is_image(tmp_path / "scan 7")
    assert decode_image(tmp_path / "scan 7", 40).shape == (40, 50, 3)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.h5", b"\x89HDF\r\n\x1a\n" + bytes(100)),
        ("film.mpg", b"\0\0\1\xba" + bytes(100)),
        ("figure.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EOF\n"),
        ("notes.txt", b"red, green and blue\n"),
        ("empty", b""),
        ("table.csv", b"BM,P6\n1,2\n"),
    ],
)
def test_what_is_no_image(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert not is_image(tmp_path / name)
    assert (tmp_path / name).suffix not in image_suffixes()


def test_a_damaged_file_with_the_suffix_of_an_image_counts(tmp_path):
    """Leaving it out would hide the damage."""
    (tmp_path / "a.JPG").write_bytes(b"damaged")
    assert is_image(tmp_path / "a.JPG")


def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert not is_image(tmp_path / "pipe")


HEIC_HEAD = b"\0\0\0\x18ftypheic" + bytes(100)


@pytest.fixture
def fresh():
    register_heic.cache_clear()
    yield
    register_heic.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_heic_without_pillow_heif_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for name in ("IMG_1.HEIC", "IMG_2.jpg", "IMG_3"):
        (tmp_path / name).write_bytes(HEIC_HEAD)
        assert is_heic(tmp_path / name)
        with pytest.raises(SemcoError, match=r"IMG_.*pip install pillow-heif"):
            decode_image(tmp_path / name, 32)
    assert not is_image(tmp_path / "IMG_1.HEIC")


@pytest.mark.usefixtures("fresh")
def test_heic_with_pillow_heif(tmp_path):
    heif = pytest.importorskip("pillow_heif")
    photo = Image.fromarray(photo_crops(1, 64, 80)[0])
    for name in ("IMG_1.HEIC", "IMG_2.jpg", "IMG_3"):
        heif.from_pillow(photo).save(tmp_path / "x.heic", quality=95)
        (tmp_path / "x.heic").rename(tmp_path / name)
        assert is_image(tmp_path / name)
        pixels = decode_image(tmp_path / name, 64)
        assert pixels.shape == (64, 80, 3)
        assert np.abs(pixels.astype(int) - np.asarray(photo)).mean() < 6


def test_a_libtiff_out_of_reach_is_no_failure(monkeypatch):
    monkeypatch.setattr(Image.core, "__file__", "/no/such/library.so")
    formats._silence_libtiff()
