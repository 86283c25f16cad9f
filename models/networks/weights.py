"""Start a network from a checkpoint, this project's or the paper's: what fits is loaded, what does not is listed."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from utils.errors import SemcoError
from utils.files.tensors import check_tensors, read_tensors

# Where checkpoints keep their weights, the averaged ones first; the paper project's release has one of these layouts.
_PLACES = ("ema", "ema_model", "model_ema", "model", "model_state", "model_state_dict", "state_dict", "net")
# What DistributedDataParallel and Lightning put in front of names, in any order; torch.compile's `_orig_mod.` goes anywhere.
_WRAPPERS = ("module.", "model.")


@dataclass(frozen=True)
class LoadReport:
    """Names of tensors: loaded; missing from the checkpoint; unknown to the network; of another shape."""

    loaded: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[str]


def load_matching_weights(model: nn.Module, path: Path) -> LoadReport:
    """Load every tensor of a checkpoint whose name and shape fit the network.

    Raises:
        SemcoError: the file is missing, damaged, holds more than plain data, or nothing in it fits.
    """
    own = model.state_dict()
    weights = _find_weights(read_tensors(path, what="checkpoint", remedy="check --checkpoint-path"), path)
    found = _without_wrappers(weights, own)
    fitting = {name: value for name, value in found.items() if name in own and own[name].shape == value.shape}
    if not any(value.ndim for value in fitting.values()):
        raise SemcoError(
            f"nothing in checkpoint {path} fits this network: choose the backbone that it was trained with"
        )
    check_tensors(fitting, path, what="checkpoint")
    model.load_state_dict(fitting, strict=False)
    return LoadReport(
        loaded=list(fitting),
        missing=[name for name in own if name not in found],
        unexpected=[name for name in found if name not in own],
        mismatched=[name for name in found if name in own and name not in fitting],
    )


def _find_weights(content: Any, path: Path) -> dict[str, Tensor]:
    candidates = [content[place] for place in _PLACES if isinstance(content, dict) and place in content]
    for candidate in [*candidates, content]:
        if isinstance(candidate, dict):
            # Not `candidate.items()`: an ordered dict from a file may have been given another `items`.
            tensors = {
                name: value
                for name, value in dict.items(candidate)
                if isinstance(name, str) and isinstance(value, Tensor)
            }
            if tensors:
                return tensors
    raise SemcoError(
        f"checkpoint {path} holds no weights: expected a state dict, bare or under one of {', '.join(_PLACES)}"
    )


def _without_wrappers(weights: dict[str, Tensor], own: Collection[str]) -> dict[str, Tensor]:
    """Strip what wrappers put in front of names; a name that fits as it is comes first."""
    found = {name: value for name, value in weights.items() if name in own}
    for name, value in weights.items():
        inner = _without_wrapper(name, own)
        found[name if inner in found else inner] = value
    return found


def _without_wrapper(name: str, own: Collection[str]) -> str:
    # torch.compile may have wrapped a part of the network only.
    stripped = name if name in own else name.replace("_orig_mod.", "")
    while stripped not in own:
        wrapper = next((wrapper for wrapper in _WRAPPERS if stripped.startswith(wrapper)), None)
        if wrapper is None:
            return name  # nothing fits: report it as it is written
        stripped = stripped.removeprefix(wrapper)
    return stripped
