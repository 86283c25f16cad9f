"""A training step as one CUDA graph: hundreds of kernel launches become one."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

LOGGER = logging.getLogger("semco")
# The first steps choose kernels (cudnn.benchmark), compile the network where that is asked for, and create the optimiser's
# momenta; none of these may happen in a graph, where the optimiser's branch for its first step would be baked in.
EAGER_STEPS = 3


class CapturedStep:
    """Runs the first steps as they are, then captures one as a CUDA graph and replays it from there on.

    All of them run on one stream of their own: libraries keep a workspace per stream. A step that cannot be captured is
    computed without a graph from there on, and a warning says why.

    Args:
        compute: takes images and labels on the GPU, works in place on tensors that stay where they are, reads nothing back.
    """

    def __init__(self, compute: Callable[[Tensor, Tensor], None]) -> None:
        self._compute = compute
        self._eager_steps_left = EAGER_STEPS
        self._stream: torch.cuda.Stream | None = None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: tuple[Tensor, Tensor] | None = None
        self._is_impossible = False

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Make one step. Where batches change their shape, as at the end of --supervised-start, the new one is captured."""
        if self._inputs is not None and [part.shape for part in self._inputs] != [images.shape, labels.shape]:
            self._graph, self._inputs, self._eager_steps_left = None, None, EAGER_STEPS
        if self._is_impossible:
            self._compute(images, labels)
        elif self._eager_steps_left:
            self._eager_steps_left -= 1
            self._compute_beside(images, labels)
        elif self._graph is None and not self._capture(images, labels):
            self._is_impossible = True
            self._compute(images, labels)
        else:
            for static, fresh in zip(self._inputs, (images, labels), strict=True):
                static.copy_(fresh, non_blocking=True)
            self._graph.replay()

    def _compute_beside(self, images: Tensor, labels: Tensor) -> None:
        """Compute on the stream that will capture."""
        self._stream = self._stream or torch.cuda.Stream()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            self._compute(images, labels)
        torch.cuda.current_stream().wait_stream(self._stream)

    def _capture(self, images: Tensor, labels: Tensor) -> bool:
        """Record a step without computing it; return False where that fails."""
        inputs = (images.clone(memory_format=torch.preserve_format), labels.clone())
        graph = torch.cuda.CUDAGraph()
        try:
            # Other threads, which prepare batches, may go on allocating meanwhile.
            with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
                self._compute(*inputs)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            LOGGER.warning("--cuda-graph: this step cannot be captured (%s); training without a graph", reason)
            return False
        self._graph, self._inputs = graph, inputs
        return True
