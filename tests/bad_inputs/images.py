"""Images: damaged, cut short in every format, far too large, or programs in disguise."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bad_inputs.case import BadInput, an_image, with_flags

# A fake Ghostscript in the current folder, which the tests put on PATH, would leave this file behind.
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n(executed) (w) file closefile\nshowpage\n%%EOF\n"


def encoded(format_name: str, size: int = 64, **options) -> bytes:
    """A noisy picture in a format."""
    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    text = io.BytesIO()
    Image.fromarray(pixels).save(text, format_name, **options)
    return text.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, *chunks: bytes) -> bytes:
    """A black-and-white PNG of any size; its pixels are all there, in next to no bytes, up to a million of them."""
    rows = bytes((1 + (width + 7) // 8) * height) if width * height <= 10**6 else b""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", head)
        + b"".join(chunks)
        + _chunk(b"IDAT", zlib.compress(rows))
        + _chunk(b"IEND", b"")
    )


def _tiff(value: float) -> bytes:
    text = io.BytesIO()
    Image.fromarray(np.full((20, 20), value, dtype=np.float32)).save(text, "TIFF")
    return text.getvalue()


def _spotted_tiff() -> bytes:
    content = bytearray(encoded("TIFF", compression="tiff_lzw"))
    for row in range(20, len(content) - 20, 40):
        content[row : row + 20] = b"\xff" * 20
    return bytes(content)


def _bitmap(width: int, height: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + head


def _image(name: str, make: Callable[[], bytes] | bytes, *words: str) -> BadInput:
    def spoil() -> None:
        an_image().write_bytes(make() if callable(make) else make)

    return BadInput(f"image: {name}", (".png", *words), spoil)


_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "JPEG2000", "ICO", "PCX", "SGI", "DDS")
_DAMAGED = {
    "nothing": b"",
    "text": b"no image",
    "web page": b"<!DOCTYPE html><html>404</html>",
    "vector graphic": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "head alone": b"\x89PNG\r\n\x1a\n",
    "header alone": b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 2, 0, 0, 0)),
    "wrong checksum": encoded("PNG").replace(b"IDAT", b"IDAT\1", 1),
    "no pixels": _png(0, 0),
    "unknown depth": b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 77, 9, 0, 0, 0)),
    "float pixels that are no numbers": _tiff(float("nan")),
    "float pixels without end": _tiff(float("inf")),
    "PostScript": POSTSCRIPT,
    "tar archive": b"x" * 257 + b"ustar\x0000" + b"\0" * 300,
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(200),
    "film": b"\0\0\1\xba" + bytes(200),
    "pickle": b"cos\nsystem\n(S'touch executed'\ntR.",
}
CASES = [
    *(_image(name, content, "cannot be decoded", "--skip-bad-images") for name, content in _DAMAGED.items()),
    *(
        _image(f"{name} cut short", lambda name=name: encoded(name)[: len(encoded(name)) // 2], "cannot be decoded")
        for name in _FORMATS
    ),
    _image("progressive JPEG cut short", lambda: encoded("JPEG", progressive=True)[:-900], "cannot be decoded"),
    _image("bomb that Pillow warns of", _png(10_000, 10_000), "too large"),
    _image("bomb that Pillow refuses", _png(60_000, 60_000), "too large"),
    _image("bomb of a bitmap", _bitmap(2**31 - 1, 2**31 - 1), ".png"),
    _image("needle that grows when resized", _png(1, 900_000), "too large"),
    _image("flat needle that grows when resized", _png(900_000, 1), "too large"),
    _image(
        "compressed text without end",
        _png(9, 9, _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 * 10**6)))),
        "cannot be decoded",
    ),
    _image("TIFF that libtiff complains of", _spotted_tiff, "cannot be decoded"),
    BadInput(
        "image: decoded on the fly",
        (".png", "cannot be decoded"),
        lambda: (an_image().write_bytes(b"no image"), ["--cache-imgs", "none"])[1],
    ),
    BadInput(
        "image: held in memory",
        (".png", "cannot be decoded"),
        lambda: (an_image().write_bytes(b"no image"), ["--cache-imgs", "memory"])[1],
    ),
    BadInput(
        "image: all labelled ones skipped",
        ("none of the", "labelled", "cannot be decoded"),
        lambda: (
            [path.write_bytes(b"x") for path in Path("data/toy/train").iterdir()]
            and ["--skip-bad-images", "--cache-imgs", "memory"]
        ),
    ),
    with_flags("image: larger than any memory", ["--im-size", "5000"], "--im-size is 5000"),
]
