"""How a batch is shared by several processes, what they send each other, and from where on more of them do not help."""

import logging

from torch import nn

from utils.errors import SemcoError

LOGGER = logging.getLogger("semco")
# With fewer labelled images per process a GPU waits for its kernels to be launched, see docs/several_machines.md.
FEWEST_IMAGES = 16
_BYTES_PER_GRADIENT = 4  # float32 in every --amp-dtype


def check_share(batch_size: int, processes: int) -> None:
    """Check that a batch can be shared equally; warn when the shares are too small to be worth their processes.

    Raises:
        SemcoError: it cannot; the message names batch sizes and numbers of processes that would work.
    """
    if left := batch_size % processes:
        sizes = [str(size) for size in (batch_size - left, batch_size - left + processes) if size]
        counts = [count for count in range(1, batch_size + 1) if batch_size % count == 0]
        near = [count for count in counts if count < processes][-1:] + [count for count in counts if count > processes][
            :1
        ]
        raise SemcoError(
            f"--batch-size {batch_size} cannot be shared equally by {processes} processes: pass {' or '.join(sizes)}, or start "
            f"{' or '.join(map(str, near))} process{'es' if near != [1] else ''}"
        )
    share = batch_size // processes
    if processes > 1 and share < FEWEST_IMAGES:
        large_enough = (count for count in range(2, processes) if batch_size // count >= FEWEST_IMAGES)
        enough = max((count for count in large_enough if batch_size % count == 0), default=1)
        LOGGER.warning(
            "%d processes have %d labelled images of --batch-size %d each: with fewer than %d, more processes seldom make a step "
            "faster; start %d, or pass --batch-size %d (docs/several_machines.md)",
            processes, share, batch_size, FEWEST_IMAGES, enough, FEWEST_IMAGES * processes,
        )  # fmt: skip


def gradient_bytes(model: nn.Module) -> int:
    """Return the bytes of the gradients that the processes add up in each step."""
    return sum(_BYTES_PER_GRADIENT * weights.numel() for weights in model.parameters() if weights.requires_grad)


def sent_bytes(size: int, processes: int) -> float:
    """Return the bytes that each process sends to add up `size` bytes over all, around a ring."""
    return 2 * (processes - 1) / processes * size
