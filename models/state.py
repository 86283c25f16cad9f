"""A trainer's state as plain data, and back: what a checkpoint holds besides the facts about its run."""

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from models.history import History
from models.step.ema import ModelEma
from models.step.precision import Precision
from models.step.ramp_up import RampUp
from models.step.tally import NotFiniteError, Tally
from utils.errors import SemcoError


class Stateful(Protocol):
    """The parts of a trainer that change while it trains."""

    model: nn.Module
    ema: ModelEma
    optimizer: Optimizer
    precision: Precision
    tally: Tally
    history: History
    device: torch.device
    ramp_up: RampUp | None


def capture_state(trainer: Stateful) -> dict[str, Any]:
    """Return everything that a resumed run needs: tensors, numbers and strings only. Synchronises with the device.

    Raises:
        NotFiniteError: the run is broken, and its state is worth nothing.
    """
    trainer.tally.check()
    _check_finite(trainer)
    return {
        "model": trainer.model.state_dict(),
        "ema": trainer.ema.module.state_dict(),
        # Momentum or AdamW's averages only: the optimiser's settings follow from the flags and the step.
        "optimizer": trainer.optimizer.state_dict()["state"],
        "number_format": trainer.precision.name,
        "precision": trainer.precision.state_dict(),
        "tally": trainer.tally.state_dict(),
        **({"ramp_up": trainer.ramp_up.state_dict()} if trainer.ramp_up else {}),
        "rng": _rng_state(trainer.device),
        **trainer.history.state_dict(),
    }


def _check_finite(trainer: Stateful) -> None:
    weights = [*trainer.model.parameters(), *trainer.ema.module.parameters()]
    # Statistics overflow where the loss does not: what is divided by infinity is zero.
    statistics = [*trainer.model.buffers(), *trainer.ema.module.buffers()]
    if not torch.stack(torch._foreach_norm(weights)).isfinite().all():
        broken = "weights"
    elif statistics and not torch.stack([values.isfinite().all() for values in statistics]).all():
        broken = "running statistics"
    else:
        return
    raise NotFiniteError(
        f"the {broken} are no longer finite after step {int(trainer.tally.step) - 1}: lower --lr, or pass --no-amp"
    )


def restore_state(trainer: Stateful, state: dict[str, Any]) -> None:
    """Put a trainer into the state that `capture_state` returned, on the trainer's own device.

    Raises:
        SemcoError: it belongs to another network, or is not what `capture_state` returns.
    """
    settings = trainer.optimizer.state_dict()["param_groups"]
    try:
        for part in ("model", "ema"):
            _check_types(state[part], trainer.model.state_dict())
        trainer.model.load_state_dict(state["model"])
        trainer.ema.module.load_state_dict(state["ema"])
        _check_optimizer(state["optimizer"], trainer.optimizer.state_dict()["state"])
        trainer.optimizer.load_state_dict({"state": state["optimizer"], "param_groups": settings})
        trainer.precision.load_state_dict(state["precision"])
        trainer.tally.load_state_dict(state["tally"])
        if trainer.ramp_up:
            trainer.ramp_up.load_state_dict(state["ramp_up"])
        trainer.history = History.from_state(state)
        _restore_rng(state["rng"], trainer.device)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SemcoError(
            f"the checkpoint does not fit this run ({reason}): use one that this run has written"
        ) from error


def _check_types(weights: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Check what load_state_dict converts unseen."""
    for name in weights.keys() & expected.keys():
        if weights[name].dtype != expected[name].dtype:
            raise TypeError(f"{name} is {weights[name].dtype}, expected {expected[name].dtype}")


def _check_optimizer(states: dict[int, dict[str, Tensor]], expected: dict[int, dict[str, Tensor]]) -> None:
    """Check what optimisers load unseen. Their state is complete from the start, so that it shows what is expected."""
    shapes, wanted = (
        {number: {name: value.shape for name, value in state.items()} for number, state in part.items()}
        for part in (states, expected)
    )
    if shapes != wanted:
        raise ValueError("the optimiser's state is of another kind or shape")


def _rng_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's generators. No layer draws from them while training, but a future one may."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def _restore_rng(state: dict[str, Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
