"""The average: parameters follow slowly, buffers are copied, the copy stands apart."""

import torch

from models.networks.two_head import build_model
from models.step.ema import ModelEma


def test_update():
    model = build_model(backbone="wres", num_classes=3, embedding_dim=4, wres_depth=10, wres_width=1)
    ema = ModelEma(model, decay=0.9)
    averages = [parameter.clone() for parameter in ema.module.parameters()]
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        with torch.no_grad():
            for value in (*model.parameters(), *model.buffers()):
                value.add_(
                    torch.ones_like(value)
                    if not value.is_floating_point()
                    else torch.randn(value.shape, generator=generator)
                )
        ema.update()
        averages = [0.9 * old + 0.1 * new for old, new in zip(averages, model.parameters(), strict=True)]
    for ours, expected in zip(ema.module.parameters(), averages, strict=True):
        torch.testing.assert_close(ours, expected)
        assert not ours.requires_grad
    for ours, theirs in zip(ema.module.buffers(), model.buffers(), strict=True):
        assert torch.equal(ours, theirs)
    assert not ema.module.training
    assert model.training


def test_loading_weights_is_followed():
    """The tensors are cached: load_state_dict must write into them, not replace them."""
    model = torch.nn.Linear(2, 2)
    ema = ModelEma(model, decay=0.0)
    model.load_state_dict({"weight": torch.full((2, 2), 7.0), "bias": torch.zeros(2)})
    ema.update()
    assert (ema.module.weight == 7).all()
