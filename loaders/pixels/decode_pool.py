"""Decode many image files with several processes, in order."""

import logging
import multiprocessing
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loaders.pixels.decode import decode
from utils.errors import SemcoError
from utils.processes.parent import end_with_parent
from utils.stopping import existing_signals

LOGGER = logging.getLogger("semco")
_CHUNK = 128
# Chunks that may be decoded before their turn, per worker: pixels must not pile up where they are written slowly.
_AHEAD = 4
# Below this many images starting processes costs more than it saves.
_WORTH_PROCESSES = 4096


@dataclass(frozen=True)
class Decoded:
    """Consecutive images: their pixels end to end, (height, width) pairs int32 (n, 2), and what could not be read.

    An image that cannot be decoded has the size (0, 0) and no pixels; `bad` maps its position to the reason. `broken_exif` counts
    the images whose EXIF block cannot be read, so that they are not rotated.
    """

    pixels: bytearray
    shapes: np.ndarray
    bad: dict[int, str]
    broken_exif: int = 0

    def __len__(self) -> int:
        return len(self.shapes)


def decode_all(
    paths: Sequence[Path], im_size: int, *, workers: int, worth_processes: int | None = None
) -> Iterator[Decoded]:
    """Yield all images in order, in chunks, decoded by up to `workers` processes.

    Args:
        worth_processes: below this many images, this process decodes them alone; None: as many as suits a dataset's.
    """
    starts = range(0, len(paths), _CHUNK)
    jobs = [(start, [str(path) for path in paths[start : start + _CHUNK]], im_size) for start in starts]
    if workers < 2 or len(paths) < (_WORTH_PROCESSES if worth_processes is None else worth_processes):
        yield from map(_decode_chunk, jobs)
        return
    if (pool := _start_pool(workers)) is None:
        yield from map(_decode_chunk, jobs)
        return
    try:
        waiting: deque[Future[Decoded]] = deque()
        for job in jobs:
            waiting.append(_submit(pool, job))
            if len(waiting) > _AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise SemcoError(
            "a process that decodes images was killed, perhaps for want of memory: lower --num-workers-per-gpu"
        ) from error
    finally:
        # After a signal nobody wants the chunks that wait for their turn.
        pool.shutdown(cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, job: tuple[int, list[str], int]) -> "Future[Decoded]":
    try:
        return pool.submit(_decode_chunk, job)
    except OSError as error:  # starting a process; whoever writes what is decoded would blame their file
        raise SemcoError(
            f"cannot start processes that decode images ({error.strerror or error}): lower --num-workers-per-gpu"
        ) from error


def _start_pool(workers: int) -> ProcessPoolExecutor | None:
    """Start the processes; None, with a line, where the system refuses what they communicate by."""
    # Fresh processes, not forks: a fork of a program whose threads hold locks can hang.
    fresh = multiprocessing.get_context("spawn")
    try:
        return ProcessPoolExecutor(workers, mp_context=fresh, initializer=_follow_parent)
    except (OSError, ImportError) as error:  # no /dev/shm, or one that is full or read-only
        reason = getattr(error, "strerror", None) or error
        LOGGER.warning("no semaphores (%s; look at /dev/shm): one process decodes all images", reason)
        return None


def _follow_parent() -> None:
    """Leave a terminal's and a cluster's signals to the parent, and end with it, however it ends."""
    for number in existing_signals("SIGINT", "SIGUSR1", "SIGHUP"):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()


def _decode_chunk(job: tuple[int, list[str], int]) -> Decoded:
    start, paths, im_size = job
    pixels, shapes, bad, broken_exif = bytearray(), np.zeros((len(paths), 2), dtype=np.int32), {}, 0
    for row, path in enumerate(paths):
        try:
            image = decode(path, im_size)
        except SemcoError as error:
            bad[start + row] = str(error)
        else:
            shapes[row] = image.pixels.shape[:2]
            pixels += image.pixels.tobytes()
            broken_exif += not image.has_good_exif
    return Decoded(pixels=pixels, shapes=shapes, bad=bad, broken_exif=broken_exif)
