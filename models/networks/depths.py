"""How deep in a network each parameter is: what layer-wise learning rates go by."""

import re
from collections.abc import Iterable

from models.networks.two_head import TwoHeadNet

_STAGE = re.compile(r"layer(\d+)\.")


def parameter_depths(model: TwoHeadNet) -> dict[str, int]:
    """Number the layers of a network: 0 for its stem, one more for each layer above, the highest for the two heads.

    A layer is a stage of a WideResNet or a torchvision ResNet, and a block of a timm model.
    """
    backbone = model.backbone
    names = [name for name, _ in backbone.named_parameters()]
    if hasattr(backbone, "group_matcher"):
        from timm.models import group_parameters

        inner = group_parameters(backbone, backbone.group_matcher(coarse=False), reverse=True)
    elif any(_STAGE.search(name) for name in names):
        inner = _by_stage(names)
    else:
        inner = _by_child(names)
    prefix = next(name for name, module in model.named_modules() if module is backbone)
    heads = max(inner.values()) + 1
    depths = {f"{prefix}.{name}": int(depth) for name, depth in inner.items()}
    return {name: depths.get(name, heads) for name, _ in model.named_parameters()}


def _by_stage(names: Iterable[str]) -> dict[str, int]:
    """What stands before the first stage is the stem; what stands behind the last one belongs to it."""
    depths, depth = {}, 0
    for name in names:
        if stage := _STAGE.search(name):
            depth = int(stage[1])
        depths[name] = depth
    return depths


def _by_child(names: Iterable[str]) -> dict[str, int]:
    """The backbone's own modules, in the order in which they were registered."""
    children: dict[str, int] = {}
    return {name: children.setdefault(name.split(".")[0], len(children)) for name in names}
