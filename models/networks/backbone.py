"""What every builder of a backbone returns."""

from typing import NamedTuple

from torch import nn


class PixelNormalisation(NamedTuple):
    """Per-channel mean and standard deviation of pixels in [0, 1] that pretrained weights expect, and whose they are."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str


class Backbone(NamedTuple):
    """A network of images (N, 3, H, W) -> features (N, num_features), and what its weights expect of pixels.

    `name`: the attribute under which a `TwoHeadNet` registers it, which is part of the parameters' names;
    `normalisation`: None for weights that have seen no images yet.
    """

    network: nn.Module
    name: str
    num_features: int
    normalisation: PixelNormalisation | None = None
