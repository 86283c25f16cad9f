"""WideResNet-n-k (Zagoruyko and Komodakis 2016) in the variant of FixMatch's and SemCo's experiments."""

import torch
from torch import Tensor, nn

_SLOPE = 0.1


class PreActivationBlock(nn.Module):
    """BN, LeakyReLU, 3x3 conv, twice, plus a shortcut; 1x1 conv on the shortcut where the shape changes.

    Args:
        activated_shortcut: the shortcut takes the activated input instead of the raw one.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, bn_momentum: float, activated_shortcut: bool
    ) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels, momentum=bn_momentum)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels, momentum=bn_momentum)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.relu = nn.LeakyReLU(_SLOPE, inplace=True)
        self.downsample = None
        if in_channels != out_channels or stride != 1:
            self.downsample = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
        self._activated_shortcut = activated_shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H / stride, W / stride)."""
        activated = self.relu(self.bn1(x))
        shortcut = activated if self._activated_shortcut else x
        if self.downsample is not None:
            shortcut = self.downsample(shortcut)
        return shortcut + self.conv2(self.relu(self.bn2(self.conv1(activated))))


class WideResNet(nn.Module):
    """Images (N, 3, H, W) -> features (N, 64 * width).

    Args:
        depth: n, 6 * i + 4.
        width: k; the stages have 16k, 32k and 64k channels at strides 1, 2 and 2.
        bn_momentum: share of the newest batch in the running statistics.
    """

    def __init__(self, *, depth: int = 28, width: int = 2, bn_momentum: float = 0.001) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth {depth} is not 6 * i + 4")
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        channels = 16
        for stage, stride in enumerate((1, 2, 2)):
            blocks = []
            for number in range((depth - 4) // 6):
                out_channels = 16 * 2**stage * width
                blocks.append(
                    PreActivationBlock(
                        channels,
                        out_channels,
                        stride=stride if number == 0 else 1,
                        bn_momentum=bn_momentum,
                        activated_shortcut=stage == number == 0,
                    )
                )
                channels = out_channels
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.bn_last = nn.BatchNorm2d(channels, momentum=bn_momentum)
        self.relu_last = nn.LeakyReLU(_SLOPE, inplace=True)
        self.num_features = channels
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", a=_SLOPE, nonlinearity="leaky_relu")

    def forward(self, images: Tensor) -> Tensor:
        """Compute features (N, 64 * width)."""
        x = self.layer3(self.layer2(self.layer1(self.conv1(images))))
        return torch.mean(self.relu_last(self.bn_last(x)), dim=(2, 3))
