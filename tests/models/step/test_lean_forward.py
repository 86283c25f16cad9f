"""Weights cast together and batches counted together give the bits of autocast and of BatchNorm themselves."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase

from models.networks.two_head import build_model
from models.step.lean_forward import LeanForward
from models.step.precision import TorchPrecision

CPU = torch.device("cpu")


def _model(*, frozen: bool):
    torch.manual_seed(0)
    model = build_model(backbone="wres", num_classes=3, embedding_dim=4, wres_depth=10, wres_width=1).to(
        memory_format=torch.channels_last
    )
    if frozen:
        model.freeze_backbone()
    return model.train()


def _train(network, model, dtype, *, steps=2):
    """Return gradients and state after some forward and backward passes."""
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        with TorchPrecision(CPU, dtype).forward():
            output = network(images)
        (output.logits.float().square().sum() + output.embedding.float().sum()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return output, gradients, model.state_dict()


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_same_bits(dtype, frozen):
    plain = _model(frozen=frozen)
    lean = copy.deepcopy(plain)
    expected, gradients, state = _train(plain, plain, dtype)
    found, lean_gradients, lean_state = _train(LeanForward(lean, dtype).train(), lean, dtype)
    assert all(torch.equal(one, two) for one, two in zip(expected, found, strict=True))
    assert gradients.keys() == lean_gradients.keys()
    assert all(torch.equal(gradients[name], lean_gradients[name]) for name in gradients)
    assert list(state) == list(lean_state)
    assert all(torch.equal(state[name], lean_state[name]) for name in state)
    counts = {int(module.num_batches_tracked) for module in lean.modules() if isinstance(module, _NormBase)}
    assert counts == ({0} if frozen else {2})


class _Standardised(nn.Conv2d):
    """A convolution by weights of mean 0 and standard deviation 1 per output channel, as some of timm's models have."""

    def forward(self, images):
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(images, (self.weight - mean) / self.weight.std((1, 2, 3), keepdim=True), self.bias)


def test_layers_that_compute_with_their_weights_first_give_the_same_bits():
    torch.manual_seed(0)
    plain = nn.Sequential(_Standardised(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).train()
    lean = copy.deepcopy(plain)
    images = torch.randn(4, 3, 16, 16)
    for network in (plain, LeanForward(lean, torch.bfloat16).train()):
        with TorchPrecision(CPU, torch.bfloat16).forward():
            output = network(images)
        output.float().square().sum().backward()
    pairs = zip(plain.parameters(), lean.parameters(), strict=True)
    assert all(torch.equal(one.grad, two.grad) for one, two in pairs)


def test_the_model_is_itself_again_even_after_an_error():
    model = _model(frozen=False)
    names = list(model.state_dict())
    network = LeanForward(model, torch.bfloat16).train()
    with pytest.raises(RuntimeError):
        network(torch.zeros(4, 5, 32, 32))
    assert list(model.state_dict()) == names
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(isinstance(module.weight, torch.nn.Parameter) for module in model.modules() if hasattr(module, "weight"))


def test_evaluation_counts_nothing():
    model = _model(frozen=False)
    network = LeanForward(model, torch.float32).eval()
    network(torch.zeros(4, 3, 32, 32))
    assert not any(int(module.num_batches_tracked) for module in model.modules() if isinstance(module, _NormBase))
