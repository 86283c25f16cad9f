"""One backbone, two heads: class logits and an embedding in the space of the labels' word vectors."""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from models.networks.resnet import build_resnet
from models.networks.wide_resnet import WideResNet

_HIDDEN = 2048
_SMALL_IMAGES = 64


class NetOutput(NamedTuple):
    """Hold class logits (N, C), embedding (N, D) and features (N, F) of N images."""

    logits: Tensor
    embedding: Tensor
    features: Tensor

    def split(self, num_labelled: int) -> "tuple[NetOutput, NetOutput, NetOutput]":
        """Part the output of a training step into those of the labelled images and of the weak and the strong views.

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
        backbone: images (N, 3, H, W) -> features (N, num_features).
        backbone_name: attribute under which it is registered, which is part of the parameters' names.
        hidden_layer: the embedding head has a hidden layer of 2048 units instead of being linear.
    """

    def __init__(
        self,
        *,
        backbone: nn.Module,
        backbone_name: str,
        num_features: int,
        num_classes: int,
        embedding_dim: int,
        hidden_layer: bool,
    ) -> None:
        super().__init__()
        self._backbone_name = backbone_name
        self._frozen = False
        self.add_module(backbone_name, backbone)
        self.fc_classes = nn.Linear(num_features, num_classes)
        if hidden_layer:
            self.fc_emb = nn.Sequential(nn.Linear(num_features, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, embedding_dim))
        else:
            self.fc_emb = nn.Linear(num_features, embedding_dim)

    @property
    def backbone(self) -> nn.Module:
        """The part that turns images into features."""
        return self.get_submodule(self._backbone_name)

    def forward(self, images: Tensor) -> NetOutput:
        """Images (N, 3, H, W) -> logits, embedding and features."""
        features = self.backbone(images)
        return NetOutput(self.fc_classes(features), self.fc_emb(features), features)

    def freeze_backbone(self) -> None:
        """Leave only the heads to be trained; the backbone's running statistics stand still too."""
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
    wres_depth: int = 28,
    wres_width: int = 2,
    bn_momentum: float = 0.001,
    pretrained: bool = False,
    imagenet_weights: Path | None = None,
) -> TwoHeadNet:
    """Build the network for `backbone`: `wres`, `resnet18` or `resnet50`.

    Raises:
        SemcoError: ImageNet weights are wanted but unavailable.
    """
    if backbone == "wres":
        wide = WideResNet(depth=wres_depth, width=wres_width, bn_momentum=bn_momentum)
        extractor, name, num_features = _Wrapped(wide), "model_base", wide.num_features
    else:
        extractor, num_features = build_resnet(backbone, pretrained=pretrained, weights_file=imagenet_weights)
        name = "model_resnet"
    return TwoHeadNet(
        backbone=extractor,
        backbone_name=name,
        num_features=num_features,
        num_classes=num_classes,
        embedding_dim=embedding_dim,
        hidden_layer=backbone != "resnet50",
    )
