"""The processes of a run: one by default, one per GPU when several are visible or under torchrun."""

import contextlib
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from utils.errors import SemcoError
from utils.processes.meeting import LONGEST_CALL, meet, read_place
from utils.stopping import Stopped

# Several processes must stop after the same step. Agreeing on it makes them wait for each other, so they do it this often;
# a checkpoint that is written then also holds the figures of all, which are summed up as often.
STEPS_BETWEEN_AGREEMENTS = 20
# Seconds between two looks whether the others are there. Python hears of signals only between calls into torch.
_PAUSE = 0.02


@dataclass(frozen=True)
class World:
    """This process's place among `size` processes, and its device."""

    rank: int
    size: int
    device: torch.device

    @classmethod
    def alone(cls, device: torch.device) -> "World":
        """Return the world of a process without siblings."""
        return cls(rank=0, size=1, device=device)

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and logs."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Add `values` up over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def agree(self, number: int) -> int:
        """Return the main process's `number` in every process."""
        if self.size == 1:
            return number
        said = torch.tensor(number, dtype=torch.int64, device=self.device)
        _wait_for(dist.broadcast(said, src=0, async_op=True))
        return int(said)

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite `tensors` with the main process's."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    @contextlib.contextmanager
    def main_first(self) -> Iterator[None]:
        """Let the main process go through a block before the others, which then find its files."""
        if self.size > 1 and not self.is_main:
            _wait_for(dist.barrier(async_op=True))
        yield
        if self.size > 1 and self.is_main:
            _wait_for(dist.barrier(async_op=True))

    def __enter__(self) -> "World":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the communication between the processes.

        After a mistake the connection stays: the others would fail over its end before the mistake is reported.
        """
        if self.size > 1 and (kind is None or issubclass(kind, Stopped)):
            dist.destroy_process_group()


def join_world(device: str, *, parallel: bool) -> World:
    """Find this process's device, and its siblings where torchrun started several.

    Raises:
        SemcoError: CUDA was asked for and is unavailable, or the environment names siblings that `parallel` forbids, that make
            no sense, or that do not come.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SemcoError("--device cuda: no CUDA GPU is visible to PyTorch; check nvidia-smi, or pass --device cpu")
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    place = read_place(os.environ)
    if place is None:
        return World.alone(torch.device(kind))
    if not parallel:
        raise SemcoError(
            f"--no-parallel under torchrun with {place.size} processes: start the program with plain python"
        )
    own = torch.device("cpu")
    if kind == "cuda":
        if place.local_rank >= torch.cuda.device_count():
            raise SemcoError(
                f"LOCAL_RANK is {place.local_rank} in the environment, but {torch.cuda.device_count()} GPUs are visible: "
                "start no more processes on a machine than it has GPUs"
            )
        own = torch.device(kind, place.local_rank)
        torch.cuda.set_device(own)
    dist.init_process_group(
        "nccl" if kind == "cuda" else "gloo",
        store=meet(place), rank=place.rank, world_size=place.size, timeout=LONGEST_CALL,
        device_id=own if kind == "cuda" else None,
    )  # fmt: skip
    return World(rank=place.rank, size=place.size, device=own)


def _wait_for(work: dist.Work) -> None:
    """Wait for the others without being deaf to signals."""
    while not work.is_completed():
        time.sleep(_PAUSE)
    work.wait()  # raises what went wrong


def processes_to_launch(device: str, *, parallel: bool) -> int:
    """Return how many processes this one should start in its place: one per GPU when several are visible, else 0."""
    if not parallel or device == "cpu" or "WORLD_SIZE" in os.environ:
        return 0
    gpus = torch.cuda.device_count()
    return gpus if gpus > 1 else 0
