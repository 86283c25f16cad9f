"""A model of the time of a training step against the number of GPUs: `python -m benchmarks.scaling`.

Nothing in it was measured on GPUs: it joins floors and launches from docs/gpu.md with the bytes that the processes exchange.
`--reduce` measures how long gloo takes to add up each network's gradients, in two processes of this machine.
"""

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from models.networks.two_head import build_model
from models.step.scaling import FEWEST_IMAGES, gradient_bytes, sent_bytes

BATCH = 64
PROCESSES = (1, 2, 4, 8, 16)
# Bytes per second and seconds per message between two neighbours.
LINKS = {"NVLink": (300e9, 10e-6), "100 Gb/s network": (10e9, 30e-6), "10 Gb/s network": (1.1e9, 50e-6)}
# The host needs this long to launch a kernel, and two of every three kernels' time is the backward pass's, beside which the
# gradients are added up.
_LAUNCH_SECONDS = 5e-6
_SHARE_OF_BACKWARD = 2 / 3
# How much longer than its floor a step takes on the GPU: between the floors and the goals of docs/gpu.md.
_ABOVE_FLOOR = 2.0
# What the host waits for in each synchronised layer, forward and backward.
_SYNC_BN_SECONDS = 2 * 50e-6


@dataclass(frozen=True)
class Workload:
    """A network, and its step with `BATCH` labelled images and mu 3: the GPU's floor in seconds, and launches."""

    name: str
    floor: float
    launches: int
    backbone: str
    width: int = 2

    def build(self) -> torch.nn.Module:
        """Build the network, for 100 classes and vectors of 300 numbers."""
        return build_model(
            backbone=self.backbone, num_classes=100, embedding_dim=300, wres_depth=28, wres_width=self.width
        )


WORKLOADS = (
    Workload("WRN-28-2 @32", 2.3e-3, 699, "wres"),
    Workload("WRN-28-8 @32", 17e-3, 699, "wres", width=8),
    Workload("ResNet-18 @84", 2.1e-3, 613, "resnet18"),
    Workload("ResNet-50 @224", 51e-3, 1050, "resnet50"),
)


def step_seconds(work: Workload, processes: int, link: str, *, size: int, synchronised_layers: int = 0) -> float:
    """Model a step's time: whichever takes longer of host and GPU, and what of the exchange the backward pass does not hide.

    Args:
        size: bytes of the gradients.
        synchronised_layers: with --sync-bn, how many layers wait for all GPUs.
    """
    bandwidth, latency = LINKS[link]
    host = work.launches * _LAUNCH_SECONDS
    gpu = _ABOVE_FLOOR * work.floor / processes
    exchange = sent_bytes(size, processes) / bandwidth + 2 * (processes - 1) * latency
    waiting = synchronised_layers * (_SYNC_BN_SECONDS + 2 * (processes - 1) * latency) if processes > 1 else 0.0
    return max(host, gpu) + waiting + max(0.0, exchange - _SHARE_OF_BACKWARD * max(host, gpu))


def table() -> list[str]:
    """Return the lines of docs/several_machines.md's table; the first that is the fastest is bold."""
    counts = " | ".join(f"{count} GPU{'s' * (count > 1)}" for count in PROCESSES)
    lines = [f"| network | gradients | link | {counts} |", "|" + "---|" * (3 + len(PROCESSES))]
    for work in WORKLOADS:
        size = gradient_bytes(work.build())
        for link in LINKS:
            times = [f"{1e3 * step_seconds(work, count, link, size=size):.1f}" for count in PROCESSES]
            fastest = min(times, key=float)
            times[times.index(fastest)] = f"**{fastest}**"
            lines.append(f"| {work.name} | {size / 1e6:.1f} MB | {link} | {' | '.join(times)} |")
    return lines


def synchronised_layers(model: torch.nn.Module) -> int:
    """Return how many layers --sync-bn makes wait."""
    return sum(isinstance(layer, _BatchNorm) for layer in model.modules())


def _measure_reduce() -> None:
    from utils.processes.place import read_place
    from utils.processes.siblings import Siblings
    from utils.processes.world import join_world

    place = read_place()
    if place is None:
        sys.exit("start it with torchrun --nproc-per-node 2 -m benchmarks.scaling --reduce")
    with Siblings(place) as siblings, join_world("cpu", parallel=True, siblings=siblings) as world:
        for work in WORKLOADS:
            values, times = torch.zeros(gradient_bytes(work.build()) // 4), []
            for _ in range(20):
                start = time.perf_counter()
                world.sum(values)
                times.append(time.perf_counter() - start)
            if world.is_main:
                rate = sent_bytes(4 * len(values), world.size) / statistics.median(times) / 1e9
                print(f"{work.name}: {1e3 * statistics.median(times):.1f} ms, {rate:.2f} GB/s sent by each process")


def main() -> None:
    """Print the table, or measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument(
        "--reduce", action="store_true", help="measure gloo, under torchrun, instead of printing the model"
    )
    if parser.parse_args().reduce:
        _measure_reduce()
        return
    print("ms per step, by a model; bold: the fastest\n")
    print("\n".join(table()))
    for work in WORKLOADS:
        model = work.build()
        layers, size = synchronised_layers(model), gradient_bytes(model)
        added = step_seconds(work, 8, "NVLink", size=size, synchronised_layers=layers) - step_seconds(
            work, 8, "NVLink", size=size
        )
        print(f"\n--sync-bn, 8 GPUs on NVLink: {work.name} waits in {layers} layers, {1e3 * added:.1f} ms more", end="")
    print(f"\n\nwith fewer than {FEWEST_IMAGES} labelled images per process the program warns")


if __name__ == "__main__":
    main()
