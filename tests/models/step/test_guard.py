"""A step is undone entirely, or not touched."""

import pytest
import torch
from torch import nn

from models.step.ema import ModelEma
from models.step.guard import StepGuard
from models.step.optimizer import build_optimizer


def _parts(kind="sgd"):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    optimizer = build_optimizer(model, lr=0.1, momentum=0.9, weight_decay=5e-4, kind=kind)
    return model, ModelEma(model, decay=0.5), optimizer


def _state(model, ema, optimizer):
    momentum = {
        f"{name} {place}": value for place, one in enumerate(optimizer.state.values()) for name, value in one.items()
    }
    found = {
        **model.state_dict(),
        **{f"ema {name}": value for name, value in ema.module.state_dict().items()},
        **momentum,
    }
    return {name: value.clone() for name, value in found.items()}


def _step(model, ema, optimizer, guard, *, scale=1.0):
    guard.remember()
    optimizer.zero_grad()
    loss = (model(torch.randn(5, 3, 8, 8)) * scale).square().mean()
    loss.backward()
    optimizer.step()
    ema.update()
    return guard.undo(~torch.isfinite(loss.detach()))


@pytest.mark.parametrize(("kind", "tensors"), [("sgd", 6), ("adamw", 18)])
def test_undone_or_untouched(kind, tensors):
    parts = _parts(kind)
    guard = StepGuard(*parts, reduce=lambda values: values)
    assert not _step(*parts, guard)
    before = _state(*parts)
    # Model and average: six parameters and three buffers each; momentum, or two averages and a count.
    assert len(before) == 9 + 9 + tensors
    assert _step(*parts, guard, scale=float("nan"))
    after = _state(*parts)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not _step(*parts, guard)
    assert not any(torch.equal(before[name], value) for name, value in _state(*parts).items())


def test_all_processes_take_a_step_back_together():
    parts = _parts()
    guard = StepGuard(*parts, reduce=lambda values: values + 1)  # another process's step is broken
    before = _state(*parts)
    assert _step(*parts, guard)
    after = _state(*parts)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_every_bit_survives():
    """Signs of zero, infinities and NaNs with a payload: what a guard keeps are bits, not numbers."""
    parts = _parts()
    guard = StepGuard(*parts, reduce=lambda values: values)
    weight = parts[0][0].weight.detach()
    odd = torch.tensor([-0.0, float("inf"), float("-inf"), 1e-45], dtype=torch.float32)
    weight.view(-1)[:4] = odd
    weight.view(torch.int32).view(-1)[4] = 0x7FC12345
    before = weight.view(torch.int32).clone()
    guard.remember()
    weight.fill_(float("nan"))
    assert guard.undo(torch.tensor(True))
    assert torch.equal(weight.view(torch.int32), before)


def test_the_number_of_kernels_does_not_grow_with_the_network():
    from torch.utils._python_dispatch import TorchDispatchMode

    class Names(TorchDispatchMode):
        def __init__(self):
            super().__init__()
            self.names = []

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.names.append(func._schema.name)
            return func(*args, **(kwargs or {}))

    guard = StepGuard(*_parts(), reduce=lambda values: values)
    with Names() as seen:
        guard.remember()
        guard.undo(torch.tensor(False))
    assert not [name for name in seen.names if name.startswith("aten::where")]
    assert len(seen.names) < 25
