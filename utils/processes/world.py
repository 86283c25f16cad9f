"""The processes of a run: one by default, one per GPU when several are visible or under torchrun or srun."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from utils.errors import SemcoError
from utils.processes.machine import Machine
from utils.processes.place import Place, read_place
from utils.processes.siblings import Siblings
from utils.stopping import Stopped

# Several processes must stop after the same step. Agreeing on it makes them wait for each other, so they do it this often;
# a checkpoint that is written then also holds the figures of all, which are summed up as often.
STEPS_BETWEEN_AGREEMENTS = 20
# All processes reach an operation together within seconds, but for the first steps, which may compile a network, and for what
# the main process writes to a slow disk. Whoever does not come by then hangs.
_LONGEST_OPERATION = timedelta(minutes=10)


@dataclass(frozen=True)
class World:
    """This process's place among `size` processes, its device, and the other processes, if there are any."""

    rank: int
    size: int
    device: torch.device
    siblings: Siblings | None = None

    @classmethod
    def alone(cls, device: torch.device) -> "World":
        """Return the world of a process without siblings."""
        return cls(rank=0, size=1, device=device)

    @property
    def is_main(self) -> bool:
        """True in the one process that writes files and logs."""
        return self.rank == 0

    @property
    def machine(self) -> Machine:
        """This process's machine, and the processes of the run that share it."""
        if self.siblings is None:
            return Machine()
        place = self.siblings.place
        return Machine(name=place.machine, processes=place.local_size, notes=self.siblings.store)

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
        work = dist.broadcast(said, src=0, async_op=True)
        self.siblings.wait_until(work.is_completed)
        work.wait()  # raises what went wrong
        return int(said)

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite `tensors` with the main process's."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)

    @contextlib.contextmanager
    def first_on_each_machine(self, folder: Path) -> Iterator[None]:
        """Let one process of each machine go through a block before the others of the machine, which then find its files.

        Where machines share the disk that `folder` is on, the main process goes before all. All leave the block together.
        Nothing limits how long that takes: the block may decode a large dataset.
        """
        if self.siblings is None:
            yield
            return
        place, store, wait_until = self.siblings.place, self.siblings.store, self.siblings.wait_until
        own = _identity(folder)
        if place.rank == 0:
            store.set("disk", own)
        # Whoever goes first may write into the folder: all look at it before.
        store.add("looked", 1)
        wait_until(lambda: store.add("looked", 0) >= self.size)
        if place.local_rank:
            wait_until(lambda: store.check([f"prepared on {place.machine}"]))
        elif place.rank and store.get("disk").decode() == own:
            wait_until(lambda: store.check(["prepared by the main process"]))
        yield
        if place.rank == 0:
            store.set("prepared by the main process", "")
        store.set(f"prepared on {place.machine}", "")
        store.add("prepared", 1)
        wait_until(lambda: store.add("prepared", 0) >= self.size)

    def after_main(self, what: str) -> None:
        """Let no process pass before the main one has; `what` names the place, where a run comes by once."""
        if self.siblings is None:
            return
        with contextlib.suppress(RuntimeError):  # the store of a torchrun that has ended: each process is on its own
            if self.is_main:
                self.siblings.store.set(f"passed/{what}", "")
            self.siblings.wait_until(lambda: self.siblings.store.check([f"passed/{what}"]))

    def __enter__(self) -> "World":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the communication between the processes.

        After a mistake the connection stays: the others would fail over its end before the mistake is reported.
        """
        if self.size > 1 and (kind is None or issubclass(kind, Stopped)):
            dist.destroy_process_group()


def join_world(device: str, *, parallel: bool, siblings: Siblings | None = None) -> World:
    """Find this process's device, and connect it with its siblings.

    Args:
        siblings: the processes that have met; None without others.

    Raises:
        SemcoError: CUDA was asked for and is unavailable, or there are other processes though `parallel` forbids them or the
            program has not met any, or there are more processes on this machine than GPUs.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SemcoError("--device cuda: no CUDA GPU is visible to PyTorch; check nvidia-smi, or pass --device cpu")
    kind = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    place = siblings.place if siblings else read_place()
    if place is None:
        return World.alone(torch.device(kind))
    if siblings is None or not parallel:
        how = {"torchrun": "torchrun with ", "srun": "srun with "}.get(place.starter, "")
        raise SemcoError(f"--no-parallel under {how}{place.size} processes: start the program once, with plain python")
    own = torch.device("cpu")
    if kind == "cuda":
        own = torch.device(kind, choose_gpu(place, visible=torch.cuda.device_count()))
        torch.cuda.set_device(own)
        _check_own(own, siblings)
    dist.init_process_group(
        "nccl" if kind == "cuda" else "gloo",
        store=siblings.store, rank=place.rank, world_size=place.size, timeout=_LONGEST_OPERATION,
        device_id=own if kind == "cuda" else None,
    )  # fmt: skip
    return World(rank=place.rank, size=place.size, device=own, siblings=siblings)


def _identity(folder: Path) -> str:
    """Return what is equal for the same folder as two machines see it, and else differs. Device numbers are each one's own."""
    try:
        status = folder.stat()
    except OSError:
        return ""
    return f"{status.st_ino} {status.st_mtime_ns} {status.st_ctime_ns}"


def choose_gpu(place: Place, *, visible: int) -> int:
    """Return which of the visible GPUs is this process's.

    Raises:
        SemcoError: there are fewer GPUs than processes.
    """
    if place.local_rank < visible:
        return place.local_rank
    if place.starter == "srun" and visible == 1:
        return 0  # srun --gpus-per-task=1 shows each task its own
    raise SemcoError(
        f"LOCAL_RANK is {place.local_rank} in the environment, but {visible} GPUs are visible: start no more processes on a "
        "machine than it has GPUs"
    )


def _check_own(device: torch.device, siblings: Siblings) -> None:
    """Check that no other process has the same GPU: two that each see one GPU cannot tell from its number."""
    gpu = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    if gpu is not None and siblings.store.add(f"gpu/{gpu}", 1) > 1:
        raise SemcoError(
            f"process {siblings.place.rank} and another one have the same GPU: ask for one each, with srun --gpus-per-task=1, or "
            "let all see all of them"
        )


def processes_to_launch(device: str, *, parallel: bool) -> int:
    """Return how many processes a lone one should start in its place: one per GPU when several are visible, else 0."""
    if not parallel or device == "cpu" or "WORLD_SIZE" in os.environ:
        return 0
    gpus = torch.cuda.device_count()
    return gpus if gpus > 1 else 0
