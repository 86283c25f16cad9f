"""SGD with Nesterov momentum, or AdamW; weight decay on the right parameters, learning rates that may fall with depth."""

import fnmatch
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import SGD, AdamW, Optimizer

_NORMALISATION = (_NormBase, nn.GroupNorm, nn.LayerNorm)
_BETAS = (0.9, 0.999)


def build_optimizer(
    model: nn.Module,
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    kind: str = "sgd",
    layer_decay: float = 1.0,
    depths: Mapping[str, int] | None = None,
) -> Optimizer:
    """Build an optimiser over the parameters that require gradients; frozen ones are left out.

    Args:
        momentum: SGD's; AdamW has its own averages.
        kind: `sgd` or `adamw`.
        layer_decay: factor of the learning rate from each depth to the one below.
        depths: how deep each parameter is, the highest for the heads; needed where `layer_decay` is not 1.
    """
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    spared = _spared_by_sgd(model) if kind == "sgd" else _spared_by_adamw(model)
    top = max(depths.values()) if depths else 0
    members: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in trained.items():
        height = top - depths[name] if depths else 0
        members.setdefault((height, name in spared), []).append(parameter)
    groups = [
        {
            "params": members[height, is_spared],
            "weight_decay": 0.0 if is_spared else weight_decay,
            "lr_scale": layer_decay**height,
        }
        for height, is_spared in sorted(members)
    ]
    on_cuda = next(iter(trained.values())).is_cuda
    _set_rates(groups, lr, on_cuda=on_cuda)
    optimizer = _sgd(groups, momentum, on_cuda=on_cuda) if kind == "sgd" else _adamw(groups, on_cuda=on_cuda)
    _begin_state(optimizer, on_cuda=on_cuda)
    return optimizer


def _spared_by_sgd(model: nn.Module) -> set[str]:
    """Names of normalisation layers' parameters, found by type: names would miss those inside torchvision's shortcuts."""
    spared = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, _NORMALISATION)
        for parameter in module.parameters(recurse=False)
    }
    return {name for name, parameter in model.named_parameters() if id(parameter) in spared}


def _spared_by_adamw(model: nn.Module) -> set[str]:
    """Names of biases, normalisation layers' parameters, and what a timm model says itself, such as position embeddings."""
    patterns = [
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if hasattr(module, "no_weight_decay")
        for name in module.no_weight_decay()
    ]
    return {
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim <= 1 or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    }


def _set_rates(groups: list[dict], lr: float, *, on_cuda: bool) -> None:
    """Give each group its rate.

    On CUDA it is one tensor for all groups of a scale: setting it is one launch without a synchronisation, and a captured
    graph sees the change.
    """
    tensors: dict[float, Tensor] = {}
    for group in groups:
        scale = group["lr_scale"]
        if on_cuda and scale not in tensors:
            tensors[scale] = torch.tensor(lr * scale, device=group["params"][0].device)
        group["lr"] = tensors[scale] if on_cuda else lr * scale


def _sgd(groups: list[dict], momentum: float, *, on_cuda: bool) -> SGD:
    return SGD(groups, momentum=momentum, nesterov=True, **({"fused": True} if on_cuda else {"foreach": True}))


def _adamw(groups: list[dict], *, on_cuda: bool) -> AdamW:
    # A captured graph may only hold a step whose count is on the GPU, which `capturable` promises.
    return AdamW(groups, betas=_BETAS, **({"fused": True, "capturable": True} if on_cuda else {"foreach": True}))


def _begin_state(optimizer: Optimizer, *, on_cuda: bool) -> None:
    """Let momentum and averages exist, as zeros, from the start.

    The fused kernels would create them in their first step as uninitialised memory whenever float16's loss scale makes them
    skip that step; and a captured step, and what undoes steps, need them to exist.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            state = optimizer.state[parameter]
            if isinstance(optimizer, SGD):
                state["momentum_buffer"] = torch.zeros_like(parameter)
            else:
                state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device if on_cuda else "cpu")
                state["exp_avg"] = torch.zeros_like(parameter)
                state["exp_avg_sq"] = torch.zeros_like(parameter)


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of all groups, each by its scale, in place where it is a tensor."""
    tensors: dict[int, tuple[Tensor, float]] = {}
    for group in optimizer.param_groups:
        rate = lr * group.get("lr_scale", 1.0)
        if isinstance(group["lr"], Tensor):
            tensors[id(group["lr"])] = (group["lr"], rate)
        else:
            group["lr"] = rate
    for tensor, rate in tensors.values():
        tensor.fill_(rate)
