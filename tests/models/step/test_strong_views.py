"""Strong views apart: their own statistics, unseen by the running ones, whatever calls the network."""

import copy

import pytest
import torch
from torch.nn.modules.batchnorm import _NormBase

from models.networks.two_head import NetOutput, build_model
from models.step.lean_forward import LeanForward
from models.step.precision import TorchPrecision
from models.step.strong_views import SeparateStrongViews

CPU = torch.device("cpu")
STRONG = 4


def _model(*, backbone: str = "wres", frozen: bool = False):
    torch.manual_seed(0)
    model = build_model(backbone=backbone, num_classes=3, embedding_dim=4, wres_depth=10, wres_width=1).to(
        memory_format=torch.channels_last
    )
    if frozen:
        model.freeze_backbone()
    return model.train()


def _images():
    images = torch.randn(6 + STRONG, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    images[6:] = 3 * images[6:] + 1  # statistics that a shared batch would show
    return images.contiguous(memory_format=torch.channels_last)


def _train(call, model, dtype):
    """Return output, gradients and state after two forward and backward passes."""
    for _ in range(2):
        with TorchPrecision(CPU, dtype).forward():
            output = call(_images())
        (output.logits.float().square().sum() + output.embedding.float().sum()).backward()
    return output, [parameter.grad for parameter in model.parameters()], model.state_dict()


def _equal(one, two):
    return all(
        (first is None and second is None) or torch.equal(first, second) for first, second in zip(one, two, strict=True)
    )


@pytest.mark.parametrize("backbone", ["wres", "resnet18"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_running_statistics_are_those_of_a_network_that_never_saw_them(backbone, dtype):
    model = _model(backbone=backbone)
    innocent, strict = copy.deepcopy(model), copy.deepcopy(model)
    output, _, state = _train(lambda images: SeparateStrongViews(model, model)(images, STRONG), model, dtype)
    _, _, expected = _train(lambda images: innocent(images[:-STRONG]), innocent, dtype)
    assert _equal(state.values(), expected.values())
    with TorchPrecision(CPU, dtype).forward():
        alone = [strict(part) for part in _images().split([6, STRONG])]
    assert _equal(output, NetOutput(*map(torch.cat, zip(*alone, strict=True))))
    with TorchPrecision(CPU, dtype).forward():
        together = strict(_images())
    assert not torch.allclose(together.logits.float(), output.logits.float(), atol=0.05)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_lean_forward_pass_gives_the_same_bits(dtype, frozen):
    plain = _model(frozen=frozen)
    lean = copy.deepcopy(plain)
    expected = _train(lambda images: SeparateStrongViews(plain, plain)(images, STRONG), plain, dtype)
    network = LeanForward(lean, dtype).train()
    found = _train(lambda images: SeparateStrongViews(network, lean)(images, STRONG), lean, dtype)
    assert _equal(expected[0], found[0])
    assert _equal(expected[2].values(), found[2].values())
    for one, two in zip(expected[1], found[1], strict=True):
        # Both passes' gradients are added in the shorter format here, and in float32 by autocast.
        assert one is two is None or torch.allclose(one, two, rtol=0.05, atol=0.02 * float(one.abs().max()))
    counts = {int(module.num_batches_tracked) for module in lean.modules() if isinstance(module, _NormBase)}
    assert counts == ({0} if frozen else {2})


def test_without_strong_views_nothing_changes():
    model = _model()
    plain = copy.deepcopy(model)
    assert _equal(SeparateStrongViews(model, model)(_images(), 0), plain(_images()))
    assert _equal(model.state_dict().values(), plain.state_dict().values())


def test_an_error_leaves_the_layers_as_they_were():
    model = _model()
    tracking = [module.track_running_stats for module in model.modules() if isinstance(module, _NormBase)]
    calls = []

    def fails(images):
        calls.append(len(images))
        if len(calls) == 2:
            raise RuntimeError("out of luck")
        return model(images)

    with pytest.raises(RuntimeError, match="luck"):
        SeparateStrongViews(fails, model)(_images(), STRONG)
    assert [module.track_running_stats for module in model.modules() if isinstance(module, _NormBase)] == tracking
    assert all(tracking)
    assert calls == [6, STRONG]
