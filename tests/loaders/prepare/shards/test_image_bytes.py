"""The kind of an image, told by its first bytes."""

import io

import numpy as np
import pytest
from PIL import Image

from loaders.pixels.formats import HEIC_NEEDS, register_heic
from loaders.prepare.shards.image_bytes import HEAD, UNKNOWN, image_suffix

KINDS = {
    "PNG": ".png", "JPEG": ".jpg", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif", "WEBP": ".webp", "JPEG2000": ".jp2",
    "PPM": ".ppm", "AVIF": ".avif", "HEIF": ".heic",
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_pillow_writes(kind):
    if kind == "HEIF" and not register_heic():
        pytest.skip(HEIC_NEEDS)
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    file = io.BytesIO()
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).resize((64, 64)).save(file, kind)
    assert image_suffix(file.getvalue()[:HEAD]) == KINDS[kind]


@pytest.mark.parametrize(
    "head", [b"", b"#!/bin/sh\n", b"RIFF\0\0\0\0WAVE", b"\0\0\0\x20ftypisom", b"\x89PNG", bytes(HEAD)]
)
def test_what_is_no_image(head):
    assert image_suffix(head) == UNKNOWN
