"""Number formats are chosen by what the device can do; apex by what is really installed."""

import contextlib
import sys
import time
import types

import pytest
import torch
from torch import nn

from models.step import precision
from models.step.precision import ApexPrecision, TorchPrecision, choose_dtype, import_apex_amp
from utils.errors import SemcoError

CPU = torch.device("cpu")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_step_learns(dtype):
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    chosen = TorchPrecision(CPU, dtype)
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(30):
        with chosen.forward():
            output = model(inputs)
        assert output.dtype is dtype
        loss = (output.float().squeeze() - inputs.sum(1)).square().mean()
        optimizer.zero_grad()
        chosen.step(loss, optimizer)
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]
    chosen.load_state_dict(chosen.state_dict())
    assert chosen.name == str(dtype).removeprefix("torch.")


def test_wishes_are_granted():
    for name in ("bfloat16", "float16"):
        assert choose_dtype(CPU, name) is getattr(torch, name)


@pytest.mark.parametrize("instruction", ["_is_avx512_bf16_supported", "_is_amx_tile_supported", None])
def test_auto_on_a_cpu(monkeypatch, instruction):
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda has_it=name == instruction: has_it, raising=False)
    assert choose_dtype(CPU, "auto") is (torch.bfloat16 if instruction else torch.float32)


def test_auto_stands_on_a_loaded_machine(monkeypatch):
    """No clock is read and nothing is computed, so neither a slow clock nor a busy core can change the choice."""
    chosen = choose_dtype(CPU, "auto")
    for name in ("time", "perf_counter", "monotonic", "process_time"):
        monkeypatch.setattr(time, name, lambda: pytest.fail("the choice hangs on time"))
    monkeypatch.setattr(nn.Module, "__call__", lambda *_: pytest.fail("the choice hangs on a computation"))
    assert choose_dtype(CPU, "auto") is chosen


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16")])
def test_auto_on_a_gpu(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
    chosen = choose_dtype(torch.device("cuda"), "auto")
    assert chosen is getattr(torch, expected)


def test_a_fallen_loss_scale_is_told():
    chosen = TorchPrecision(CPU, torch.float16)
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1)
    assert TorchPrecision(CPU, torch.bfloat16).complaint() is None
    chosen.step((weight * 1.0).sum(), optimizer)
    assert chosen.complaint() is None
    for _ in range(17):  # from 65536 to a half
        optimizer.zero_grad()
        chosen.step((weight * float("inf")).sum(), optimizer)
    assert "loss scale has fallen to 0.5" in chosen.complaint()
    assert "--amp-dtype bfloat16" in chosen.complaint()
    assert torch.equal(weight, torch.tensor([0.9]))


def _install(monkeypatch, *parts):
    """Stand in for an installed package `apex` with the given submodules."""
    for name in [name for name in sys.modules if name.split(".")[0] == "apex"]:
        monkeypatch.delitem(sys.modules, name)
    known = {f"apex.{part}" for part in parts} | ({"apex"} if parts else set())
    monkeypatch.setattr(precision.importlib.util, "find_spec", lambda name: name if name in known else None)
    for name in known:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "apex is not installed"),
        (("optimizers", "normalization"), "too new"),
        (("interfaces",), "another project of that name"),
    ],
)
def test_which_apex_it_is(monkeypatch, parts, message):
    _install(monkeypatch, *parts)
    with pytest.raises(SemcoError, match=message) as caught:
        import_apex_amp()
    assert "--amp-backend torch" in str(caught.value)


class FakeAmp(types.ModuleType):
    """The protocol of apex.amp at O1, with a fixed loss scale."""

    def __init__(self):
        super().__init__("apex.amp")
        self.calls = []

    @contextlib.contextmanager
    def scale_loss(self, loss, optimizer):
        self.calls.append("scale")
        yield loss * 8
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad /= 8

    def state_dict(self):
        return {"loss_scaler0": {"loss_scale": 8.0}}

    def load_state_dict(self, state):
        self.calls.append(state)


def test_apex_protocol():
    amp = FakeAmp()
    model = nn.Linear(2, 1)
    twin = nn.Linear(2, 1)
    twin.load_state_dict(model.state_dict())
    inputs = torch.randn(8, 2)
    for network, chosen in ((model, ApexPrecision(amp)), (twin, TorchPrecision(CPU, torch.float32))):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        with chosen.forward():
            loss = network(inputs).square().mean()
        chosen.step(loss, optimizer)
    assert torch.allclose(model.weight, twin.weight)
    ApexPrecision(amp).load_state_dict(ApexPrecision(amp).state_dict())
    assert amp.calls == ["scale", {"loss_scaler0": {"loss_scale": 8.0}}]
