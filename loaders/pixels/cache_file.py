"""The cache file: a header, the pixels of all images of a pool, their sizes, and why some images cannot be decoded.

What protects a reader: a file appears under its name only when it is complete, is never written again, and stays intact for
whoever has mapped it when it is deleted. Its length is compared with its header before anything is mapped. A file that
somebody cuts short *while* it is mapped ends the process with SIGBUS, as with every mapped file; `--cache-imgs auto` copies
the pixels into memory where they fit, and a file cut short during that copy is reported like any damaged one.

Pixels that were changed in place, with the length unchanged, are not noticed: checking them at every start would take about
as long as reading them. Delete the file after a disk error.
"""

import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from loaders.pixels.decode_pass import DecodePass, areas
from utils.errors import SemcoError
from utils.files.atomic import atomic_path, write_text

# Part of every cache file's name too: another format is another file.
MAGIC = b"SEMCO-PIXELS-2\n"
_HEADER_BYTES = 4096
_DIGEST_LENGTH = 64
_LONGEST_REASON = 10_000
_MOST_REASON_BYTES = 1 << 30


@dataclass(frozen=True)
class CachedPixels:
    """What a cache file holds.

    `pixels`: uint8 (P, 3), image after image; `shapes`: (height, width) pairs, int32 (N, 2), of which the images in `bad` have
    (0, 0); `digest`: `DecodePass.digest` of all that; `broken_exif`: how many images are not rotated for that reason.
    """

    pixels: Tensor
    shapes: np.ndarray
    bad: dict[int, str]
    digest: str
    broken_exif: int


def write_pixels(path: Path, images: DecodePass, *, check: Callable[[Mapping[int, str]], None]) -> None:
    """Write a cache file while its images are decoded; it appears complete or not at all.

    Args:
        check: called with what cannot be decoded; what it raises leaves no file.

    Raises:
        SemcoError: the disk refuses.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        write_into(file, images, check=check)


def write_into(file: BinaryIO, images: DecodePass, *, check: Callable[[Mapping[int, str]], None]) -> None:
    """Write what a cache file holds into an open file; `check` as in `write_pixels`."""
    file.seek(_HEADER_BYTES)
    for pixels in images:
        file.write(pixels)
    check(images.bad)
    shapes = images.shapes.astype("<i4")
    file.write(shapes.tobytes())
    reasons = json.dumps(images.bad).encode()
    file.write(reasons)
    header = {
        "images": len(shapes),
        "pixels": int(areas(shapes).sum()),
        "bad": len(reasons),
        "digest": images.digest,
        "broken_exif": images.broken_exif,
    }
    file.seek(0)
    file.write(MAGIC + json.dumps(header).encode() + b"\n")


def read_pixels(path: Path, *, images: int, short_side: int, load: bool) -> CachedPixels:
    """Read a cache file, and compare what it says with what was asked for.

    Args:
        images: how many images there must be; `short_side`: pixels of the short side of each.
        load: copy the pixels into memory instead of mapping them.

    Raises:
        SemcoError: the file is damaged, cut short, or holds other images.
    """
    with _open_regular(path) as file:
        header = _parse_header(path, file.read(_HEADER_BYTES))
        pixel_count, image_count, reason_bytes = header.pixels, header.images, header.bad
        if image_count != images:
            raise _damaged(path, f"holds {image_count} images, expected {images}")
        pixel_bytes, shape_bytes = 3 * pixel_count, 8 * image_count
        if os.fstat(file.fileno()).st_size != _HEADER_BYTES + pixel_bytes + shape_bytes + reason_bytes:
            raise _damaged(path, "is cut short, or longer than it says")
        file.seek(_HEADER_BYTES + pixel_bytes)
        shapes = np.frombuffer(file.read(shape_bytes), dtype="<i4").reshape(-1, 2).astype(np.int32)
        bad = _parse_reasons(path, _parse(path, file.read(reason_bytes)))
        _check_shapes(path, shapes, bad, pixel_count=pixel_count, short_side=short_side)
        pixels = _load(path, file, pixel_count) if load else _map(path, pixel_count)
    return CachedPixels(pixels=pixels, shapes=shapes, bad=bad, digest=header.digest, broken_exif=header.broken_exif)


def _check_shapes(path: Path, shapes: np.ndarray, bad: Mapping[int, str], *, pixel_count: int, short_side: int) -> None:
    """Make sure that every crop stays within its image: sizes that lie would show pixels of others."""
    is_bad = np.isin(np.arange(len(shapes)), list(bad))
    if (shapes < 0).any() or (shapes[is_bad] != 0).any() or len(bad) != is_bad.sum():
        raise _damaged(path, "gives images sizes that they cannot have")
    if (shapes[~is_bad].min(axis=1) != short_side).any():
        raise _damaged(path, f"holds images whose short side is not {short_side} pixels")
    if areas(shapes).sum() != pixel_count:
        raise _damaged(path, "holds sizes that do not add up to its pixels")


def _load(path: Path, file: BinaryIO, pixel_count: int) -> Tensor:
    pixels = torch.empty(pixel_count, 3, dtype=torch.uint8)
    file.seek(_HEADER_BYTES)
    if pixel_count and file.readinto(memoryview(pixels.numpy()).cast("B")) != 3 * pixel_count:
        raise _damaged(path, "is cut short")
    return pixels


def _map(path: Path, pixel_count: int) -> Tensor:
    if not pixel_count:
        return torch.empty(0, 3, dtype=torch.uint8)
    # Private pages: nothing here writes, but torch would warn of memory that it must not write.
    return torch.from_numpy(np.memmap(path, mode="c", offset=_HEADER_BYTES, shape=(pixel_count, 3)))


class _Header(NamedTuple):
    """Numbers of pixels and images, bytes of the reasons, images with a broken EXIF block, digest."""

    pixels: int
    images: int
    bad: int
    broken_exif: int
    digest: str


def _parse_header(path: Path, head: bytes) -> _Header:
    try:
        content = json.loads(head.removeprefix(MAGIC).split(b"\n", 1)[0])
        header = _Header(*(content[name] for name in _Header._fields))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(path, "has no readable header") from error
    *counts, digest = header
    are_counts = all(type(number) is int and 0 <= number < 2**60 for number in counts)
    if not head.startswith(MAGIC) or not are_counts or header.bad > _MOST_REASON_BYTES or not _is_digest(digest):
        raise _damaged(path, "has a header that makes no sense")
    return header


def write_check(path: Path, images: DecodePass) -> None:
    """Write what a pass over images found that are kept in their own files."""
    write_text(path, format_check(images))


def format_check(images: DecodePass) -> str:
    """Return what a pass over images found, as text."""
    return json.dumps({"bad": images.bad, "digest": images.digest, "broken_exif": images.broken_exif})


def read_check(path: Path) -> tuple[dict[int, str], str, int]:
    """Read what `write_check` wrote; returns as `parse_check`.

    Raises:
        SemcoError: the file is damaged.
    """
    with _open_regular(path) as file:
        return parse_check(path, file.read(_MOST_REASON_BYTES))


def parse_check(path: Path, raw: bytes | str) -> tuple[dict[int, str], str, int]:
    """Return what `format_check` says: reasons by position, the digest of the pixels, images with a broken EXIF block.

    Args:
        path: the file that is blamed.

    Raises:
        SemcoError: the text is damaged.
    """
    saved = _parse(path, raw)
    if not isinstance(saved, dict) or not _is_digest(saved.get("digest")):
        raise _damaged(path, "has no digest")
    if type(saved.get("broken_exif")) is not int:
        raise _damaged(path, "counts no broken EXIF blocks")
    return _parse_reasons(path, saved.get("bad")), saved["digest"], saved["broken_exif"]


def _parse(path: Path, raw: bytes | str) -> object:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "has content that cannot be read") from error


def _parse_reasons(path: Path, content: object) -> dict[int, str]:
    try:
        reasons = {int(position): reason for position, reason in content.items()}  # type: ignore[attr-defined]
    except (ValueError, AttributeError) as error:
        raise _damaged(path, "has no readable list of bad images") from error
    if not all(isinstance(reason, str) and len(reason) <= _LONGEST_REASON for reason in reasons.values()):
        raise _damaged(path, "gives reasons that make no sense")
    return reasons


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == _DIGEST_LENGTH and value.isalnum() and value.isascii()


def _open_regular(path: Path) -> BinaryIO:
    # Without waiting: a pipe in the file's place would have no end of it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise _damaged(path, "is no regular file")
    return os.fdopen(handle, "rb")


def _damaged(path: Path, fault: str) -> SemcoError:
    return SemcoError(f"image cache {path} {fault}: delete it, and it will be rebuilt")
