"""The backward pass on fake tensors, node by node in Python."""

import collections

import torch
from torch import Tensor


def backward(loss: Tensor) -> None:
    """Run the backward pass node by node: torch's own engine asks the driver for streams, which needs a GPU."""
    waiting: collections.Counter = collections.Counter()
    seen, todo = {loss.grad_fn}, [loss.grad_fn]
    while todo:
        for node, _ in todo.pop().next_functions:
            if node is not None:
                waiting[node] += 1
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
    grads: dict = collections.defaultdict(dict)
    grads[loss.grad_fn][0] = torch.ones_like(loss)
    ready = [loss.grad_fn]
    with torch.no_grad():
        while ready:
            node = ready.pop()
            given = grads.pop(node, {})
            if hasattr(node, "variable"):
                _accumulate(node.variable, given.get(0))
                continue
            # Functions written in Python have `apply` instead of a call, and also return gradients for arguments that are not
            # tensors, which come first.
            run = node if callable(node) else node.apply
            out = _tuple(run(*(given.get(number) for number in range(len(node._input_metadata)))))
            for grad, (following, number) in zip(out[-len(node.next_functions) :], node.next_functions, strict=True):
                if following is None:
                    continue
                _add_gradient(grads[following], number, grad, following)
                waiting[following] -= 1
                if not waiting[following]:
                    ready.append(following)


def _tuple(out: Tensor | tuple) -> tuple:
    return out if isinstance(out, tuple) else (out,)


def _add_gradient(held: dict[int, Tensor], number: int, grad: Tensor | None, node) -> None:
    """Add a gradient to input `number` of `node`, in the shape and dtype of what the node put out."""
    if grad is None:
        return
    wanted = node.variable if hasattr(node, "variable") else node._input_metadata[number]
    if grad.shape != tuple(wanted.shape):
        grad = grad.sum_to_size(*wanted.shape)
    if grad.dtype != wanted.dtype:
        grad = grad.to(wanted.dtype)
    held[number] = held[number] + grad if number in held else grad


def _accumulate(variable: Tensor, grad: Tensor | None) -> None:
    if grad is not None:
        variable.grad = grad.detach() if variable.grad is None else variable.grad + grad
