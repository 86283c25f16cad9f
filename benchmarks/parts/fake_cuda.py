"""What a GPU would be asked to do, without one: code runs on tensors that say they are on `cuda:0` and hold no memory.

`FakeTensorMode` gives tensors a device, a type and a shape. `Recorder` sees every operation on them: it counts kernels and
bytes by phase, and notes what mixes devices, what synchronises with the device and what copies from memory that is not pinned.
Numbers are not computed. torch 2.14 may crash once fake trainings are freed: use it in a process that ends with `leave`.
"""

import collections
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.parts.fake_backward import backward

# Operations without a kernel: they look at memory in another way, or reserve it.
_FREE = {
    *("alias", "as_strided", "chunk", "detach", "device", "diagonal", "empty", "empty_like", "empty_strided", "expand"),
    *(
        "is_pinned",
        "lift_fresh",
        "narrow",
        "new_empty",
        "new_empty_strided",
        "permute",
        "reshape",
        "resize_",
        "select",
        "set_",
    ),
    *(
        "slice",
        "split",
        "split_with_sizes",
        "squeeze",
        "t",
        "transpose",
        "unbind",
        "unfold",
        "unsafe_split",
        "unsqueeze",
    ),
    *("view", "_reshape_alias", "_unsafe_view"),
}
# Kernels of operations that libraries compute in several. Batch normalisation in bfloat16, channels last: statistics, their
# running means, the transform, and the zeroing of a semaphore; backward: a reduction, a semaphore, the gradient.
_KERNELS = {
    "native_batch_norm": 4,
    "cudnn_batch_norm": 4,
    "native_batch_norm_backward": 3,
    "cudnn_batch_norm_backward": 3,
}
# Operations whose result decides on a shape or a number on the host.
_SYNCHRONISING = {
    *("_local_scalar_dense", "bincount", "equal", "is_nonzero", "masked_select", "nonzero", "unique2", "_unique2"),
    *("unique_consecutive", "unique_dim", "repeat_interleave"),
}


@dataclass
class Phase:
    """What one phase of a step asks of the GPU."""

    launches: int = 0
    bytes: int = 0
    names: collections.Counter = field(default_factory=collections.Counter)


class Recorder(TorchDispatchMode):
    """Counts kernels and bytes by phase, and collects faults: devices mixed, synchronisations, copies from pageable memory."""

    def __init__(self) -> None:
        super().__init__()
        self.phase = "build"
        self.phases: dict[str, Phase] = collections.defaultdict(Phase)
        self.faults: list[str] = []
        self.trace: list[tuple[str, tuple]] = []
        self._pinned: set[int] = set()
        self._kept: list[Tensor] = []

    def begin(self) -> None:
        """Forget what was counted; faults from here on are a step's own."""
        self.phases.clear()
        self.faults.clear()
        self.trace.clear()

    @contextlib.contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Count under `phase`."""
        before, self.phase = self.phase, phase
        try:
            yield
        finally:
            self.phase = before

    def watched(self, phase: str, function: Callable) -> Callable:
        """Wrap `function` so that what it does is counted under `phase`."""

        @functools.wraps(function)
        def run(*args, **kwargs):
            with self.during(phase):
                return function(*args, **kwargs)

        return run

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Run an operation on fake tensors and note it."""
        kwargs, name = kwargs or {}, func._schema.name.split("::")[1]
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if name in _SYNCHRONISING and any(tensor.is_cuda for tensor in inputs):
            if self.phase == "build" and name == "_local_scalar_dense":
                return 0  # `lr < 0` in the optimiser's constructor
            self.faults.append(f"{self.phase}: {name} synchronises with the device")
            if name == "_local_scalar_dense":
                return 0
        if name == "_fused_sgd_":
            out = None  # has no implementation for fake tensors
        elif name == "_pin_memory":
            out = args[0]
            self._pinned.add(id(out))
            self._kept.append(out)
        elif name == "is_pinned":
            return id(args[0]) in self._pinned
        else:
            out = func(*args, **kwargs)
        outputs = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        self._note(name, args, kwargs, inputs, outputs)
        return out

    def _note(self, name: str, args: tuple, kwargs: dict, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        places = {tensor.device.type for tensor in [*inputs, *outputs]}
        if "cuda" not in places or name in _FREE:
            return
        if "cpu" in places:
            self._judge(name, args, kwargs, inputs, outputs)
        phase = self.phases[self.phase]
        phase.launches += _kernels(name, args)
        phase.bytes += sum(_bytes(tensor) for tensor in _distinct([*inputs, *outputs]))
        phase.names[name] += _kernels(name, args)
        self.trace.append((name, tuple(leaf for leaf in tree_leaves((args, kwargs)) if not isinstance(leaf, Tensor))))

    def _judge(self, name: str, args: tuple, kwargs: dict, inputs: list[Tensor], outputs: list[Tensor]) -> None:
        """Note an operation of two devices, unless it is a copy that neither side waits for."""
        if name not in ("_to_copy", "copy_"):
            self.faults.append(f"{self.phase}: {name} mixes devices")
            return
        source = args[1] if name == "copy_" else args[0]
        target = args[0] if name == "copy_" else outputs[0]
        if not target.is_cuda:
            self.faults.append(f"{self.phase}: a copy to the CPU synchronises with the device")
        elif not (kwargs.get("non_blocking") or args[2:3] == (True,)):
            self.faults.append(f"{self.phase}: a blocking copy to the device")
        elif id(source) not in self._pinned:
            self.faults.append(f"{self.phase}: a copy from memory that is not pinned")


def _kernels(name: str, args: tuple) -> int:
    if name == "convolution_backward":
        return 1 + sum(args[-1])  # a kernel per gradient; the weight's is zeroed before
    return _KERNELS.get(name, 1)


def _distinct(tensors: list[Tensor]) -> list[Tensor]:
    return list({id(tensor): tensor for tensor in tensors}.values())


def _bytes(tensor: Tensor) -> int:
    # An expanded tensor is read once.
    held = [size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride]
    return tensor.element_size() * functools.reduce(lambda one, two: one * two, held, 1)


def _moved(module: nn.Module, device, *, memory_format: torch.memory_format = torch.contiguous_format) -> nn.Module:
    """`nn.Module.to`, which cannot swap the parameters of fake tensors in place."""
    for part in module.modules():
        for held in (part._parameters, part._buffers):
            for name, value in held.items():
                if value is not None:
                    form = memory_format if value.dim() == 4 else torch.contiguous_format
                    there = value.detach().to(device).contiguous(memory_format=form)
                    held[name] = nn.Parameter(there) if held is part._parameters else there
    return module


class _Stream:
    """Stands for a CUDA stream or event."""

    def __init__(self, *_, **__) -> None: ...

    def __enter__(self) -> "_Stream":
        return self

    def __exit__(self, *_) -> None: ...

    def wait_stream(self, _) -> None: ...

    def wait_event(self, _) -> None: ...

    def record_event(self, _=None) -> "_Stream":
        return self

    def record(self, _=None) -> None: ...

    def wait(self, _=None) -> None: ...


@contextlib.contextmanager
def fake_cuda() -> Iterator[Recorder]:
    """Pretend that the machine has a GPU, which computes nothing."""
    patches = [
        mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False),
        mock.patch.object(torch.cuda, "is_bf16_supported", return_value=True),
        mock.patch.object(torch._C, "_select_conv_backend", return_value=torch._C._ConvBackend.Cudnn),
        mock.patch.object(torch._C, "_conv_determine_backend_memory_format", return_value=torch.channels_last),
        mock.patch.object(nn.Module, "to", _moved),
        mock.patch.object(Tensor, "backward", backward),
        mock.patch.object(Tensor, "record_stream", return_value=None),
        *(
            mock.patch.object(torch.cuda, name, _Stream)
            for name in ("Stream", "Event", "current_stream", "stream", "device")
        ),
    ]
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        yield stack.enter_context(Recorder())


def leave(code: int) -> None:
    """End the process at once, freeing nothing."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
