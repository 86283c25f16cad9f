"""Start a network from a checkpoint, this project's or the paper's: what fits is loaded, what does not is listed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from utils.errors import SemcoError
from utils.files.tensors import check_tensors, read_tensors

# Where checkpoints keep their weights, the averaged ones first; the paper project's release is one of these layouts.
_PLACES = ("ema", "ema_model", "model_ema", "model", "model_state", "model_state_dict", "state_dict", "net")


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
    found = _find_weights(read_tensors(path, what="checkpoint", remedy="check --checkpoint-path"), path)
    own = model.state_dict()
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
            tensors = {
                name.removeprefix("module."): value
                for name, value in candidate.items()
                if isinstance(name, str) and isinstance(value, Tensor)
            }
            if tensors:
                return tensors
    raise SemcoError(
        f"checkpoint {path} holds no weights: expected a state dict, bare or under one of {', '.join(_PLACES)}"
    )
