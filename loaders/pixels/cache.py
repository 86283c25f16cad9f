"""Choose how to keep a pool's pixels: in memory, in a mapped cache file, or in the image files; decode once."""

import contextlib
import dataclasses
import hashlib
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from loaders.pixels.cache_file import (
    MAGIC,
    format_check,
    parse_check,
    read_check,
    read_pixels,
    write_check,
    write_pixels,
)
from loaders.pixels.capacity import available_memory, can_hold
from loaders.pixels.decode_pass import DecodePass, areas
from loaders.pixels.decode_pool import Decoded, decode_all
from loaders.pixels.shared_memory import NOT_SHARED, share_pixels
from loaders.pixels.store import FileStore, ImageStore, store_from_shapes
from utils.errors import SemcoError, and_more
from utils.processes.machine import ALONE, Machine
from utils.progress import Progress

# Longer side / shorter side of photographs, seldom above 3:2 on average. A wrong guess only moves the choice between two
# good ways.
_USUAL_ASPECT = 1.4
# Share of the available memory that pixels may fill when nobody asked for memory.
_MEMORY_SHARE = 0.4


@dataclass(frozen=True)
class OpenedStore:
    """A store, and what decoding its images has shown.

    `bad`: position of each image that cannot be decoded -> the reason; `source`: where the pixels are, for people; `digest`: of
    all pixels in order (`DecodePass.digest`), the same in every mode.
    """

    store: ImageStore
    bad: dict[int, str]
    source: str
    digest: str


@dataclass(frozen=True)
class StoreRequest:
    """What to open: files, the size of their short side, how to keep them, how many workers decode.

    `needed`: positions of the images without which nothing is opened; `machine`: the processes that share what is opened.
    """

    paths: Sequence[Path]
    im_size: int
    mode: str
    workers: int
    cache_folder: Path
    progress: Progress
    needed: frozenset[int] = frozenset()
    machine: Machine = ALONE

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the files in order, and of how they are decoded: the name of what is cached.

        A file stands for its content by path (links to folders resolved), inode, size, and times of modification and of
        change. The last cannot be set by a program, so a file that was replaced by one of equal size and equal modification
        time is noticed, and so are two datasets that look alike. The device number is left out: it differs between the
        machines of a cluster, and from one start of a machine to the next, for the same files.

        Not seen: another file system, mounted at the same path, that holds other images of the same sizes, inodes and times;
        only images of file systems that are built with fixed times can be so. A dataset that was moved is decoded again.

        Raises:
            SemcoError: an image is missing or its folder may not be read.
        """
        total = hashlib.sha256(MAGIC + f"{self.im_size}\n".encode())
        folders: dict[Path, Path] = {}
        for path in self.paths:
            try:
                status = path.stat()
                if path.parent not in folders:
                    folders[path.parent] = path.parent.resolve()
            except OSError as error:
                raise SemcoError(
                    f"image {path} cannot be read: {error.strerror}; restore it, or take it out of the labels feather"
                ) from error
            facts = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
            line = f"{folders[path.parent] / path.name}\0{facts}\n"
            total.update(line.encode("utf-8", "surrogateescape"))
        return total.hexdigest()

    def cache_file(self, suffix: str) -> Path:
        """Return where to keep what is made of these files, in the state in which they were first seen."""
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
        return _open_in_memory(request)
    if request.mode == "none":
        return _from_files(request)
    size = int(len(request.paths) * request.im_size**2 * 3 * _USUAL_ASPECT)
    in_memory = request.mode == "auto" and size < _MEMORY_SHARE * available_memory()
    path = request.cache_file("pixels")
    if not path.exists():
        if request.mode == "auto" and not can_hold(request.cache_folder, size):
            return _open_in_memory(request) if in_memory else _from_files(request)
        if not can_hold(request.cache_folder, size):
            raise SemcoError(
                f"--cache-imgs disk: {request.cache_folder} cannot be written, or has no room for {size / 2**20:,.0f} MiB; set "
                "XDG_CACHE_HOME to a folder that can, or pass --cache-imgs memory"
            )
        _write_cache(path, request)
    # Several processes map one file, whose pages they share: loaded, each would have a copy of its own.
    return _from_cache(path, request, load=in_memory and request.machine.processes == 1)


def _check_needed(bad: Mapping[int, str], request: StoreRequest) -> None:
    if missed := sorted(request.needed.intersection(bad)):
        raise SemcoError(bad[missed[0]] + and_more(missed))


def _decode(request: StoreRequest) -> DecodePass:
    chunks: Iterable[Decoded] = decode_all(request.paths, request.im_size, workers=request.workers)
    return DecodePass(request.progress.chunks(chunks, total=len(request.paths), what="decoding images", unit="images"))


def _from_files(request: StoreRequest) -> OpenedStore:
    bad, digest, broken_exif = _check_files(request)
    store = FileStore(request.paths, im_size=request.im_size, workers=request.workers)
    return OpenedStore(store=store, bad=bad, source="decoded on the fly" + _unturned(broken_exif), digest=digest)


def _unturned(count: int) -> str:
    return f"; {count:,} of them have a broken EXIF block and are not rotated" if count else ""


def _check_files(request: StoreRequest) -> tuple[dict[int, str], str, int]:
    """Decode everything once, or read what came of it: a bad image would end a long training at any moment of it."""
    path = request.cache_file("checked.json")
    if path.exists():
        return read_check(path)

    def check() -> str:
        images = _decode(request)
        for _ in images:
            pass
        _check_needed(images.bad, request)
        if can_hold(path.parent, 4096 + sum(map(len, images.bad.values()))):
            write_check(path, images)
        return format_check(images)

    return parse_check(path, request.machine.once(f"checked {request.digest}", check))


def _open_in_memory(request: StoreRequest) -> OpenedStore:
    """Decode into memory: this process's own, or one that all processes of the machine map."""
    if request.machine.processes > 1:
        place = request.machine.once(
            f"pixels {request.digest}",
            lambda: share_pixels(lambda: _decode(request), check=lambda bad: _check_needed(bad, request)),
        )
        # A process in a container of its own may not see the memory of another one.
        if place != NOT_SHARED and os.access(place, os.R_OK):
            return dataclasses.replace(
                _from_cache(Path(place), request, load=False), source="in memory that all processes share"
            )
    return _decode_to_memory(request)


def _decode_to_memory(request: StoreRequest) -> OpenedStore:
    images = _decode(request)
    chunks = deque(images)
    pixels = np.empty((int(areas(images.shapes).sum()), 3), dtype=np.uint8)
    start = 0
    # Chunks are released one by one while the fresh buffer fills, so the peak stays near the size of the pixels.
    while chunks:
        flat = np.frombuffer(chunks.popleft(), dtype=np.uint8).reshape(-1, 3)
        pixels[start : start + len(flat)] = flat
        start += len(flat)
    store = store_from_shapes(torch.from_numpy(pixels), images.shapes)
    source = "in memory" + _unturned(images.broken_exif)
    return OpenedStore(store=store, bad=images.bad, source=source, digest=images.digest)


def _write_cache(path: Path, request: StoreRequest) -> None:
    try:
        # A cache of images that will be replaced is of no use to anyone.
        write_pixels(path, _decode(request), check=lambda bad: _check_needed(bad, request))
    except SemcoError:
        with contextlib.suppress(OSError):
            path.parent.rmdir()  # unless something else is in it
        raise


def _from_cache(path: Path, request: StoreRequest, *, load: bool) -> OpenedStore:
    cached = read_pixels(path, images=len(request.paths), short_side=request.im_size, load=load)
    source = f"in memory, from the cache {path}" if load else f"mapped from the cache {path}"
    source += _unturned(cached.broken_exif)
    store = store_from_shapes(cached.pixels, cached.shapes)
    return OpenedStore(store=store, bad=cached.bad, source=source, digest=cached.digest)
