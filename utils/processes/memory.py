"""What to do when a GPU's memory is too small."""

import contextlib
from collections.abc import Iterator

import torch

from utils.errors import SemcoError
from utils.flags.config import Config


@contextlib.contextmanager
def explain_out_of_memory(config: Config, device: torch.device) -> Iterator[None]:
    """Turn PyTorch's error for a full GPU into advice.

    Raises:
        SemcoError: the block ran out of memory.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise out_of_memory(config, device) from error


def out_of_memory(config: Config, device: torch.device) -> SemcoError:
    """Make the error that says how many images a step holds, and what share of them each flag would save.

    What a step keeps for its backward pass grows with their number; weights, momentum and average do not.
    """
    images = _images(config.batch_size, config.mu, config)
    smaller = {
        f"--batch-size {config.batch_size // 2}": _images(config.batch_size // 2, config.mu, config),
        f"--mu {config.mu - 1}": _images(config.batch_size, config.mu - 1, config),
    }
    ways = [f"{flag} saves {1 - left / images:.0%} of them" for flag, left in smaller.items() if 0 < left < images]
    if not config.amp:
        ways.append("mixed precision (without --no-amp) about halves what each takes")
    if device.type == "cuda" and config.data_device != "cpu":
        ways.append("--data-device cpu keeps the decoded pixels off the GPU")
    text = ", ".join(ways) or "choose smaller images with --im-size and --cropsize"
    return SemcoError(
        f"out of memory{_usage(device)}: a step holds {images} images of {config.cropsize}x{config.cropsize} pixels; {text}"
    )


def _images(batch_size: int, mu: int, config: Config) -> int:
    return batch_size * (1 + 2 * mu * bool(config.unlabelled_batch)) if mu else 0


def _usage(device: torch.device) -> str:
    if device.type != "cuda":
        return ""
    used, total = torch.cuda.max_memory_allocated(device), torch.cuda.get_device_properties(device).total_memory
    return f" on {torch.cuda.get_device_name(device)} ({used / 2**30:.1f} of {total / 2**30:.1f} GiB were in use)"
