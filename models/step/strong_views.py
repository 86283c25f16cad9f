"""--strong-bn separate: strong views in a forward pass of their own, unseen by the running statistics."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from models.networks.two_head import NetOutput


class SeparateStrongViews:
    """Calls a network twice per step: for labelled images and weak views, and for strong views.

    Strong views differ from what evaluation shows the network in brightness, contrast and cut-out parts. Apart from the
    others, batch normalisation uses their own statistics for them, and the running statistics are those of images as
    evaluation has them.

    Args:
        network: what is called, `model` itself or a wrapper of it.
        model: holds the normalisation layers.
    """

    def __init__(self, network: nn.Module, model: nn.Module) -> None:
        self._network, self._model = network, model

    def __call__(self, images: Tensor, num_strong: int) -> NetOutput:
        """Return the output for all images (N, 3, H, W), of which the last `num_strong` are strong views."""
        if not num_strong:
            return self._network(images)
        others, strong = images.split([len(images) - num_strong, num_strong])
        first = self._network(others)
        with unseen(self._model):
            second = self._network(strong)
        return NetOutput(*map(torch.cat, zip(first, second, strict=True)))


@contextlib.contextmanager
def unseen(model: nn.Module) -> Iterator[None]:
    """Keep batches out of a model's running statistics and counters; layers in evaluation mode go on using theirs."""
    norms = [module for module in model.modules() if isinstance(module, _NormBase) and module.track_running_stats]
    try:
        for norm in norms:
            norm.track_running_stats = False
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
