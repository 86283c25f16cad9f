"""Mixed precision behind one interface, so that the training step has one path whatever computes it."""

import contextlib
import importlib
import importlib.util
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer

from utils.errors import SemcoError


class Precision(Protocol):
    """What the training step needs: a context for the forward pass, and backward plus optimiser step."""

    name: str

    def forward(self) -> AbstractContextManager:
        """Return the context of the forward pass."""

    def step(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Run the backward pass and the optimiser's step."""

    def complaint(self) -> str | None:
        """Return what is wrong with the numbers, for the user; this synchronises with the device."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what a checkpoint held."""


class TorchPrecision:
    """float32, or torch's autocast to `dtype`; losses are scaled for float16 only."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.name = str(dtype).removeprefix("torch.")
        self._device_type = device.type
        self._dtype = dtype
        self._scaler = torch.amp.GradScaler(device.type, enabled=dtype is torch.float16)

    def forward(self) -> AbstractContextManager:
        """Return the context of the forward pass."""
        if self._dtype is torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self._device_type, dtype=self._dtype)

    def step(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Run the backward pass and the optimiser's step."""
        self._scaler.scale(loss).backward()
        self._scaler.step(optimizer)
        self._scaler.update()

    def complaint(self) -> str | None:
        """Return a complaint when float16's loss scale has fallen so far that gradients underflow."""
        if not self._scaler.is_enabled() or self._scaler.get_scale() >= 1:
            return None
        return (
            f"float16's loss scale has fallen to {self._scaler.get_scale():.3g}: gradients overflow, or underflow at that "
            "scale, and steps are skipped; pass --amp-dtype bfloat16 or --no-amp"
        )

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what a checkpoint held."""
        if state:
            self._scaler.load_state_dict(state)


class ApexPrecision:
    """NVIDIA apex's `amp` at opt_level O1, the paper's recipe; model and optimiser must have been initialised with it."""

    def __init__(self, amp: Any) -> None:
        self.name = "apex O1"
        self._amp = amp

    def forward(self) -> AbstractContextManager:
        """Return a context that does nothing: apex has patched torch's functions."""
        return contextlib.nullcontext()

    def step(self, loss: Tensor, optimizer: Optimizer) -> None:
        """Run the backward pass and the optimiser's step."""
        with self._amp.scale_loss(loss, optimizer) as scaled:
            scaled.backward()
        optimizer.step()

    def complaint(self) -> str | None:
        """Return None: apex prints its own warnings."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must hold."""
        return self._amp.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what a checkpoint held."""
        self._amp.load_state_dict(state)


def import_apex_amp() -> Any:
    """Return `apex.amp`.

    Raises:
        SemcoError: apex is missing, is the unrelated package of that name, or no longer has `amp`.
    """
    remedy = "build NVIDIA apex 25.04 or older from source, or use --amp-backend torch"
    if importlib.util.find_spec("apex") is None:
        raise SemcoError(f"--amp-backend apex: apex is not installed; {remedy}")
    if importlib.util.find_spec("apex.amp") is not None:
        return importlib.import_module("apex.amp")
    if any(importlib.util.find_spec(f"apex.{part}") for part in ("normalization", "optimizers", "parallel")):
        raise SemcoError(f"--amp-backend apex: this apex is too new, NVIDIA removed apex.amp in May 2025; {remedy}")
    raise SemcoError(f"--amp-backend apex: the installed apex is another project of that name, not NVIDIA's; {remedy}")


def choose_dtype(device: torch.device, wanted: str) -> torch.dtype:
    """Choose the number format of mixed precision by what the device can do, so that equal machines always choose alike.

    Nothing is timed: a busy machine would time noise, and the run would compute other numbers.

    Args:
        wanted: `bfloat16`, `float16` or `auto`: bfloat16 on GPUs from compute capability 8.0 on, float16 on older ones; on
            a CPU bfloat16 where it has instructions for it, else float32.
    """
    if wanted != "auto":
        return getattr(torch, wanted)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    return torch.bfloat16 if _cpu_computes_bfloat16() else torch.float32


def _cpu_computes_bfloat16() -> bool:
    # torch has no public name for these; without them (another version) float32 is the safe choice.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)
