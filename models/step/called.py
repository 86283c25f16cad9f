"""What a training step calls for a network: itself, compiled, with fewer kernels, or as one of several processes."""

import inspect

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from models.step.lean_forward import LeanForward
from models.step.precision import Precision, TorchPrecision
from utils.processes.world import World

# What newer versions of torch call `broadcast_buffers`.
_SYNC_BUFFERS = next(
    name
    for name in ("forward_sync_buffers", "broadcast_buffers")
    if name in inspect.signature(DistributedDataParallel.__init__).parameters
)


def callable_network(model: nn.Module, precision: Precision, world: World, *, compiled: bool) -> nn.Module:
    """Return what a training step calls for `model`: a form of it that costs this device less."""
    network = torch.compile(model) if compiled else model
    on_cuda = world.device.type == "cuda"
    if world.size > 1:
        # Each process keeps its own running statistics, unless --sync-bn makes them equal; evaluation takes the main one's.
        return DistributedDataParallel(
            network,
            device_ids=[world.device] if on_cuda else None,
            gradient_as_bucket_view=True,
            **{_SYNC_BUFFERS: False},
        )
    if on_cuda and not compiled and isinstance(precision, TorchPrecision):
        return LeanForward(model, getattr(torch, precision.name))
    return network
