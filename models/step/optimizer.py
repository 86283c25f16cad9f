"""SGD with Nesterov momentum, without weight decay on normalisation layers."""

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import SGD, Optimizer

_NORMALISATION = (_NormBase, nn.GroupNorm, nn.LayerNorm)


def build_optimizer(model: nn.Module, *, lr: float, momentum: float, weight_decay: float) -> SGD:
    """Build SGD over the parameters that require gradients; frozen ones are skipped.

    Normalisation layers are recognised by their type: names would miss those inside torchvision's shortcuts.
    """
    no_decay = {
        id(parameter)
        for module in model.modules()
        if isinstance(module, _NORMALISATION)
        for parameter in module.parameters(recurse=False)
    }
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if id(parameter) not in no_decay], "weight_decay": weight_decay},
        {"params": [parameter for parameter in trained if id(parameter) in no_decay], "weight_decay": 0.0},
    ]
    on_cuda = trained[0].is_cuda
    # On CUDA the rate is one tensor of all groups: setting it is one launch without a synchronisation, and a captured graph
    # sees the change.
    rate = torch.tensor(lr, device=trained[0].device) if on_cuda else lr
    optimizer = SGD(
        [group for group in groups if group["params"]],
        lr=rate,
        momentum=momentum,
        nesterov=True,
        **({"fused": True} if on_cuda else {"foreach": True}),
    )
    # Momentum exists, and is zero, from the start. The fused kernel would create it in its first step as uninitialised memory
    # whenever float16's loss scale makes it skip that step; and a captured step needs it to exist.
    for parameter in trained:
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of all groups, in place where it is a tensor."""
    tensors = {}
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            tensors[id(group["lr"])] = group["lr"]
        else:
            group["lr"] = lr
    for rate in tensors.values():
        rate.fill_(lr)
