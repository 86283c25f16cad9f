"""Decode a pool of images once; keep the pixels in memory, in a mapped file, or in the image files.

A cache file holds the pixels of all images, then their sizes. Its name is a digest of what it was made from, so a changed
image, another size or another order is another file, and two runs that build it at once write the same bytes.
"""

import contextlib
import hashlib
import json
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from loaders.pixels.capacity import available_memory, can_hold
from loaders.pixels.decode_pool import Decoded, decode_all
from loaders.pixels.store import FileStore, ImageStore, store_from_shapes
from utils.errors import SemcoError, and_more
from utils.files.atomic import atomic_path, write_text
from utils.progress import Progress

_MAGIC = b"SEMCO-PIXELS-1\n"
_HEADER_BYTES = 4096


@dataclass(frozen=True)
class OpenedStore:
    """A store and the positions of the images in it that cannot be decoded, each with the reason."""

    store: ImageStore
    bad: dict[int, str]
    source: str


@dataclass(frozen=True)
class StoreRequest:
    """What to open: files, the size of their short side, how to keep them, how many workers decode.

    `needed`: positions of the images without which nothing is opened.
    """

    paths: Sequence[Path]
    im_size: int
    mode: str
    workers: int
    cache_folder: Path
    progress: Progress
    needed: frozenset[int] = frozenset()

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the files (names, sizes, modification times, order) and of how they are decoded."""
        total = hashlib.sha256(_MAGIC + f"{self.im_size}\n".encode())
        for path in self.paths:
            try:
                stat = path.stat()
            except OSError as error:
                raise SemcoError(
                    f"image {path} cannot be read: {error.strerror}; restore it or mend the feather"
                ) from error
            line = f"{path.parent.name}/{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
            total.update(line.encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def cache_file(self, suffix: str) -> Path:
        """Where to keep what is made of these files, in the state in which they were first seen."""
        return self.cache_folder / f"{self.digest[:24]}.{suffix}"


def open_store(request: StoreRequest) -> OpenedStore:
    """Open the images of a pool as `request.mode` says; `auto` keeps a cache file and loads it when memory allows.

    Raises:
        SemcoError: a file is missing or cannot be decoded though needed, or the disk cannot take the cache asked for.
    """
    opened = _open(request)
    _check_needed(opened.bad, request)
    return opened


def _open(request: StoreRequest) -> OpenedStore:
    if request.mode == "memory":
        return _decode_to_memory(request)
    size = _estimated_bytes(request)
    in_memory = request.mode == "auto" and size < 0.4 * available_memory()
    if request.mode == "none":
        return _from_files(request)
    path = request.cache_file("pixels")
    if not path.exists():
        if request.mode == "auto" and not can_hold(request.cache_folder, size):
            return _decode_to_memory(request) if in_memory else _from_files(request)
        _write_cache(path, request)
    return _read_cache(path, load=in_memory)


def _check_needed(bad: Mapping[int, str], request: StoreRequest) -> None:
    if missed := sorted(request.needed.intersection(bad)):
        raise SemcoError(bad[missed[0]] + and_more(missed))


def _estimated_bytes(request: StoreRequest) -> int:
    # Photographs are seldom longer than 3:2 on average; being a little wrong only moves the choice between two good ways.
    return int(len(request.paths) * request.im_size**2 * 3 * 1.4)


def _from_files(request: StoreRequest) -> OpenedStore:
    store = FileStore(request.paths, im_size=request.im_size, workers=request.workers)
    return OpenedStore(store=store, bad=_find_bad(request), source="decoded on the fly")


def _find_bad(request: StoreRequest) -> dict[int, str]:
    """Decode everything once, or read what came of it: a bad image would end a long training at any moment of it."""
    path = request.cache_file("checked.json")
    if path.exists():
        return _read_reasons(path, path.read_bytes())
    bad = {position: reason for chunk in _decoded(request) for position, reason in chunk.bad.items()}
    _check_needed(bad, request)
    text = json.dumps(bad)
    if can_hold(path.parent, len(text)):
        write_text(path, text)
    return bad


def _decoded(request: StoreRequest) -> Iterable[Decoded]:
    chunks = decode_all(request.paths, request.im_size, workers=request.workers)
    return request.progress.chunks(chunks, total=len(request.paths), what="decoding images", unit="images")


def _decode_to_memory(request: StoreRequest) -> OpenedStore:
    chunks = deque(_decoded(request))
    shapes = np.concatenate([chunk.shapes for chunk in chunks])
    bad = {position: reason for chunk in chunks for position, reason in chunk.bad.items()}
    pixels = np.empty((int(_areas(shapes).sum()), 3), dtype=np.uint8)
    start = 0
    # Chunks are let go one by one while the fresh buffer fills, so the peak stays near the size of the pixels.
    while chunks:
        flat = np.frombuffer(chunks.popleft().pixels, dtype=np.uint8).reshape(-1, 3)
        pixels[start : start + len(flat)] = flat
        start += len(flat)
    return OpenedStore(store=store_from_shapes(torch.from_numpy(pixels), shapes), bad=bad, source="memory")


def _write_cache(path: Path, request: StoreRequest) -> None:
    shapes, bad = [], {}
    try:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            file.seek(_HEADER_BYTES)
            for chunk in _decoded(request):
                file.write(chunk.pixels)
                shapes.append(chunk.shapes)
                bad.update(chunk.bad)
            # A cache of images that will be replaced is of no use to anyone.
            _check_needed(bad, request)
            sizes = np.concatenate(shapes).astype("<i4")
            file.write(sizes.tobytes())
            reasons = json.dumps(bad).encode()
            file.write(reasons)
            header = {"images": len(sizes), "pixels": int(_areas(sizes).sum()), "bad": len(reasons)}
            file.seek(0)
            file.write(_MAGIC + json.dumps(header).encode() + b"\n")
    except SemcoError:
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # unless something else is in it
        raise


def _areas(sizes: np.ndarray) -> np.ndarray:
    return sizes.astype(np.int64).prod(axis=1)


def _read_cache(path: Path, *, load: bool) -> OpenedStore:
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
        pixel_count, image_count, reason_bytes = _parse_header(path, head)
        pixel_bytes, shape_bytes = 3 * pixel_count, 8 * image_count
        if path.stat().st_size != _HEADER_BYTES + pixel_bytes + shape_bytes + reason_bytes:
            raise SemcoError(f"image cache {path} is cut short: delete it, and it will be made anew")
        file.seek(_HEADER_BYTES + pixel_bytes)
        shapes = np.frombuffer(file.read(shape_bytes), dtype="<i4").reshape(-1, 2)
        bad = _read_reasons(path, file.read(reason_bytes))
    # Sizes that lie would make crops of memory that belongs to something else.
    if (
        (shapes < 0).any()
        or _areas(shapes).sum() != pixel_count
        or set(np.flatnonzero(_areas(shapes) == 0)) != set(bad)
    ):
        raise _damaged(path)
    if pixel_bytes:
        # Private pages: nothing here writes, but torch would warn of memory that it must not write.
        mapped = torch.from_numpy(np.memmap(path, mode="c", offset=_HEADER_BYTES, shape=(pixel_count, 3)))
    else:
        mapped = torch.empty(0, 3, dtype=torch.uint8)
    pixels = mapped.clone() if load else mapped
    source = f"memory, from the cache {path}" if load else f"mapped from the cache {path}"
    return OpenedStore(store=store_from_shapes(pixels, shapes), bad=bad, source=source)


def _parse_header(path: Path, head: bytes) -> tuple[int, int, int]:
    """Number of pixels, number of images, length of the reasons."""
    try:
        header = json.loads(head.removeprefix(_MAGIC).split(b"\n", 1)[0])
        numbers = tuple(header[name] for name in ("pixels", "images", "bad"))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(path) from error
    if not head.startswith(_MAGIC) or not all(type(number) is int and number >= 0 for number in numbers):
        raise _damaged(path)
    return numbers  # type: ignore[return-value]


def _read_reasons(path: Path, raw: bytes) -> dict[int, str]:
    try:
        return {int(position): str(reason) for position, reason in json.loads(raw).items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> SemcoError:
    return SemcoError(f"image cache {path} is damaged: delete it, and it will be made anew")
