"""A step is taken back whole, or not touched."""

import torch
from torch import nn

from models.step.ema import ModelEma
from models.step.guard import StepGuard
from models.step.optimizer import build_optimizer


def _parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2))
    optimizer = build_optimizer(model, lr=0.1, momentum=0.9, weight_decay=5e-4)
    return model, ModelEma(model, decay=0.5), optimizer


def _state(model, ema, optimizer):
    momentum = {f"momentum {place}": one["momentum_buffer"] for place, one in enumerate(optimizer.state.values())}
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


def test_undone_or_untouched():
    parts = _parts()
    guard = StepGuard(*parts, reduce=lambda values: values)
    assert not _step(*parts, guard)
    before = _state(*parts)
    assert len(before) == 9 + 9 + 6  # model and average: six parameters and three buffers each; momentum
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
