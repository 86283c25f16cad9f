"""The processes of a run: one by default, one a GPU when several are visible or under torchrun."""

import contextlib
import datetime
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from utils.errors import SemcoError


@dataclass(frozen=True)
class World:
    """This process's place among `size` processes, and its device."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and talks."""
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
        dist.broadcast(said, src=0)
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
            dist.barrier()
        yield
        if self.size > 1 and self.is_main:
            dist.barrier()

    def leave(self) -> None:
        """End the communication between the processes."""
        if self.size > 1:
            dist.destroy_process_group()


def join_world(device: str, *, parallel: bool) -> World:
    """Find this process's device, and its siblings where torchrun started several.

    Raises:
        SemcoError: CUDA was asked for and is not there, or torchrun started siblings that `parallel` forbids.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SemcoError("--device cuda: no CUDA GPU is visible to PyTorch; check nvidia-smi, or pass --device cpu")
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World(rank=0, size=1, device=torch.device(kind))
    if not parallel:
        raise SemcoError(f"--no-parallel under torchrun with {size} processes: start the program with plain python")
    place = torch.device(kind, int(os.environ["LOCAL_RANK"])) if kind == "cuda" else torch.device("cpu")
    if kind == "cuda":
        torch.cuda.set_device(place)
    # The others wait for as long as the main process decodes a large dataset.
    dist.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=datetime.timedelta(hours=12))
    return World(rank=dist.get_rank(), size=size, device=place)


def relaunch_on_all_gpus(script: str, arguments: Sequence[str]) -> None:
    """With several GPUs visible, become torchrun with one process a GPU; otherwise, or inside torchrun, do nothing."""
    gpus = torch.cuda.device_count()
    if gpus < 2 or "WORLD_SIZE" in os.environ:
        return
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}"]
    os.execv(sys.executable, [sys.executable, *launcher, script, *arguments])
