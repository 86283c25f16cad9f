"""One backbone, two heads: class logits and an embedding in the space of the labels' word vectors."""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from models.networks.backbone import Backbone, PixelNormalisation
from models.networks.resnet import build_resnet
from models.networks.timm_backbone import PREFIX, build_timm
from models.networks.wide_resnet import WideResNet

_HIDDEN = 2048
_SMALL_IMAGES = 64


class NetOutput(NamedTuple):
    """Hold class logits (N, C), embedding (N, D) and features (N, F) of N images."""

    logits: Tensor
    embedding: Tensor
    features: Tensor

    def split(self, num_labelled: int) -> "tuple[NetOutput, NetOutput, NetOutput]":
        """Split the output of a training step into those of the labelled images and of the weak and the strong views.

        Args:
            num_labelled: rows of labelled images; the others are weak views and then as many strong views.
        """
        num_unlabelled = (len(self.logits) - num_labelled) // 2
        parts = (tensor.split([num_labelled, num_unlabelled, num_unlabelled]) for tensor in self)
        labelled, weak, strong = (NetOutput(*part) for part in zip(*parts, strict=True))
        return labelled, weak, strong


class _Wrapped(nn.Module):
    """Give a WideResNet the parameter names that the paper project's checkpoints use."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> Tensor:
        return self.backbone(images)


class TwoHeadNet(nn.Module):
    """Backbone with a class head and an embedding head.

    Args:
        backbone: images (N, 3, H, W) -> features (N, num_features), and what it expects of pixels.
        hidden_layer: the embedding head has a hidden layer of 2048 units instead of being linear.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        num_classes: int,
        embedding_dim: int,
        hidden_layer: bool,
    ) -> None:
        super().__init__()
        network, self._backbone_name, num_features, self._normalisation = backbone
        self._frozen = False
        self.add_module(self._backbone_name, network)
        self.fc_classes = nn.Linear(num_features, num_classes)
        if hidden_layer:
            self.fc_emb = nn.Sequential(nn.Linear(num_features, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, embedding_dim))
        else:
            self.fc_emb = nn.Linear(num_features, embedding_dim)

    @property
    def backbone(self) -> nn.Module:
        """The part that turns images into features."""
        return self.get_submodule(self._backbone_name)

    @property
    def normalisation(self) -> PixelNormalisation | None:
        """What the weights with which the backbone started expect of pixels; None for random weights."""
        return self._normalisation

    def forward(self, images: Tensor) -> NetOutput:
        """Compute logits, embedding and features of images (N, 3, H, W)."""
        features = self.backbone(images)
        return NetOutput(self.fc_classes(features), self.fc_emb(features), features)

    def freeze_backbone(self) -> None:
        """Leave only the heads to be trained; the backbone's running statistics stay as they are."""
        self._frozen = True
        self.backbone.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "TwoHeadNet":
        """Switch to training mode, all but a frozen backbone."""
        super().train(mode)
        if self._frozen:
            self.backbone.eval()
        return self


def resolve_backbone(name: str | None, im_size: int) -> str:
    """Return the backbone asked for, or the one that suits the size of the images."""
    return name or ("wres" if im_size <= _SMALL_IMAGES else "resnet50")


def build_model(
    *,
    backbone: str,
    num_classes: int,
    embedding_dim: int,
    cropsize: int | None = None,
    wres_depth: int = 28,
    wres_width: int = 2,
    bn_momentum: float = 0.001,
    pretrained: bool = False,
    imagenet_weights: Path | None = None,
) -> TwoHeadNet:
    """Build the network for `backbone`: `wres`, `resnet18`, `resnet50` or `timm:NAME`.

    Args:
        cropsize: side of the images in pixels, for timm models whose shape depends on it; None: the model's own.

    Raises:
        SemcoError: pretrained weights are wanted but unavailable, or timm has no such model for such images.
    """
    if backbone == "wres":
        wide = WideResNet(depth=wres_depth, width=wres_width, bn_momentum=bn_momentum)
        built = Backbone(_Wrapped(wide), "model_base", wide.num_features)
    elif backbone.startswith(PREFIX):
        built = build_timm(backbone, cropsize=cropsize, pretrained=pretrained, weights_file=imagenet_weights)
    else:
        built = build_resnet(backbone, pretrained=pretrained, weights_file=imagenet_weights)
    return TwoHeadNet(
        backbone=built,
        num_classes=num_classes,
        embedding_dim=embedding_dim,
        hidden_layer=backbone != "resnet50",
    )
