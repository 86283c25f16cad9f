"""A training step as one CUDA graph: some hundred kernel launches become one."""

from collections.abc import Callable

import torch
from torch import Tensor

# The first steps choose kernels (cudnn.benchmark) and create the optimiser's momenta; neither may happen in a graph, where
# the optimiser's branch for its first step would be baked in.
EAGER_STEPS = 3


class CapturedStep:
    """Runs the first steps as they are, then captures one as a CUDA graph and replays it from there on.

    Args:
        compute: takes images and labels on the GPU, works in place on tensors that stay where they are, reads nothing back.
    """

    def __init__(self, compute: Callable[[Tensor, Tensor], None]) -> None:
        self._compute = compute
        self._eager_steps_left = EAGER_STEPS
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, Tensor] | None = None

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Make one step; another shape than the captured one is computed without the graph."""
        if self._eager_steps_left:
            self._eager_steps_left -= 1
            self._compute_beside(images, labels)
            return
        if self._inputs is None:
            self._capture(images, labels)
        if [part.shape for part in self._inputs] != [images.shape, labels.shape]:
            self._compute(images, labels)
            return
        for static, fresh in zip(self._inputs, (images, labels), strict=True):
            static.copy_(fresh, non_blocking=True)
        self._graph.replay()

    def _compute_beside(self, images: Tensor, labels: Tensor) -> None:
        """Compute on a stream of its own, as the one that captures will be: libraries keep workspaces per stream."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._compute(images, labels)
        torch.cuda.current_stream().wait_stream(stream)

    def _capture(self, images: Tensor, labels: Tensor) -> None:
        self._inputs = (images.clone(memory_format=torch.preserve_format), labels.clone())
        self._graph = torch.cuda.CUDAGraph()
        # Other threads, which prepare batches, may go on allocating meanwhile.
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self._compute(*self._inputs)
