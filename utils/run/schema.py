"""What a run's checkpoint holds: types, ranges, shapes. Decided here, before anything believes it or a folder is touched."""

import math
import re
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from utils.files.tensors import tensor_fault
from utils.metrics import CLASS_HEAD

# What no two different runs share; what else is known of a run's data came with later versions.
ALWAYS_COMPARED = ("training_set", "class_names", "label_vectors")
_RECORDED = ("epoch", "loss", "valid_loss", *CLASS_HEAD)
# Figures of a record that may be infinite or NaN: a run that diverges, or that evaluates in float16 before its running statistics
# have settled, writes such losses beside weights that are intact.
MAY_DIVERGE = ("loss", "valid_loss", "class_labelled", "class_unlabelled", "emb_labelled", "emb_unlabelled")
_NUMBER_FORMATS = ("float32", "bfloat16", "float16", "apex O1")
_NAME = re.compile(r"[A-Za-z0-9_./ -]{1,100}")
_TALLY = ("sums", "step", "broken", "first_broken", "first_broken_parts")
# The least value of each count.
_COUNTS = {"step": 0, "broken": 0, "first_broken": -1}
# The figures of the first broken step, and sums of losses that are too large to be added up: these may be anything.
_MAY_BE_BROKEN = ("first_broken_parts", "sums")
# Larger counts are not exact in floating point, and no run has them.
_LARGEST_COUNT, _LARGEST_NUMBER, _LONGEST_TEXT, _DEEPEST = 2**53, 1e300, 100_000, 8
_LARGEST_SCALE = 2.0**100


class _FaultError(Exception):
    """What is wrong with a checkpoint; the end of a sentence."""


def find_fault(content: dict[str, Any], *, looks_at_numbers: bool) -> str | None:
    """Say what keeps a checkpoint's content from being the state of a run; None when nothing does.

    Args:
        looks_at_numbers: also check that tensors are finite; false for tensors that are still in their file.
    """
    try:
        _check_identity(content)
        _check_progress(content)
        _check_history(content)
        _check_scales(content.get("precision"))
        for part in ("model", "ema"):
            _check_tensors(_table(content, part), part, looks_at_numbers=looks_at_numbers)
        _check_momenta(_table(content, "optimizer"), looks_at_numbers=looks_at_numbers)
        _check_tally(_table(content, "tally"), looks_at_numbers=looks_at_numbers)
        _check_generators(_table(content, "rng"))
        if "ramp_up" in content:
            _check_tensors(_table(content, "ramp_up"), "ramp_up", looks_at_numbers=looks_at_numbers)
    except _FaultError as fault:
        return str(fault)
    return None


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise _FaultError(what)


def _table(content: dict[str, Any], name: str) -> dict[Any, Any]:
    """Return a dict of the content; on an ordered one from a file, somebody may have set another `items`."""
    value = content.get(name)
    _need(isinstance(value, dict), f"{name} is no table")
    if type(value) is OrderedDict:
        _need(vars(value).keys() <= {"_metadata"}, f"{name} has attributes")
    return value


def _is_count(value: object, largest: int = _LARGEST_COUNT) -> bool:
    return type(value) is int and 0 <= value <= largest


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and abs(value) <= _LARGEST_NUMBER  # NaN compares false


def _has_diverged(name: str, value: object) -> bool:
    return name in MAY_DIVERGE and type(value) is float and not math.isfinite(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(_NAME.fullmatch(value))


def _check_plain(value: object, where: str, depth: int = 0) -> None:
    """Make sure that a value is what JSON can hold: finite numbers, text that can be written, tables under names."""
    _need(depth <= _DEEPEST, f"{where} is nested too deep")
    if isinstance(value, str):
        _need((len(value) <= _LONGEST_TEXT and value.isascii()) or _is_writable(value), f"{where} holds odd text")
    elif isinstance(value, dict):
        _need(type(value) is dict and all(map(_is_name, value)), f"{where} has odd names")
        for name, inner in value.items():
            _check_plain(inner, f"{where}: {name}", depth + 1)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_plain(inner, where, depth + 1)
    else:
        _need(value is None or isinstance(value, bool) or _is_number(value), f"{where} is neither text nor number")


def _is_writable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return len(text) <= _LONGEST_TEXT


def _check_identity(content: dict[str, Any]) -> None:
    for name in ("config", "fingerprints"):
        _check_plain(_table(content, name), name)
    _need(_is_count(content.get("seed"), 2**63), "seed is no seed")
    _need(content.get("number_format") in _NUMBER_FORMATS, "number_format is unknown")
    missing = [name for name in ALWAYS_COMPARED if name not in content["fingerprints"]]
    _need(not missing, f"its fingerprints lack {', '.join(missing)}")


def _check_progress(content: dict[str, Any]) -> None:
    """Compare how far the run had come with the length that its own flags give it."""
    config = content["config"]
    for name in ("n_epoches", "n_imgs_per_epoch", "batch_size"):
        _need(_is_count(config.get(name)) and config[name] > 0, f"{name} is {_shown(config.get(name))}")
    epoch, steps = content.get("epoch"), content.get("steps")
    _need(_is_count(epoch, config["n_epoches"]), f"epoch is {_shown(epoch)} of {config['n_epoches']}")
    per_epoch = config["n_imgs_per_epoch"] // config["batch_size"]
    # All of an epoch's steps may be done before it is evaluated.
    left = per_epoch if epoch < config["n_epoches"] else 0
    _need(_is_count(steps, left), f"steps is {_shown(steps)} of {left}")
    _need(_is_count(content.get("images")), "images is no count")
    seconds = content.get("seconds")
    _need(_is_number(seconds) and 0 <= seconds <= _LARGEST_COUNT, "seconds is no duration")
    best = content.get("best_epoch")
    _need(type(best) is int and (1 <= best <= epoch if epoch else best == -1), f"best_epoch is {_shown(best)}")


def _shown(value: object) -> str:
    # Python refuses to write integers of thousands of digits.
    is_short = isinstance(value, (float, str)) or (isinstance(value, int) and abs(value) < 10**30)
    return repr(value)[:30] if is_short else type(value).__name__


def _check_history(content: dict[str, Any]) -> None:
    rows = content.get("history")
    _need(isinstance(rows, list) and len(rows) == content["epoch"], "history does not fit its epoch")
    for place, row in enumerate(rows, start=1):
        _need(type(row) is dict and len(row) <= 1000, f"record {place} of history is no table")
        _need(all(map(_is_name, row)), f"record {place} of history has odd names")
        wrong = [name for name, value in row.items() if not (_is_number(value) or _has_diverged(name, value))]
        wrong += [name for name in _RECORDED if name not in row]
        _need(not wrong, f"record {place} of history has no number for {', '.join(wrong[:10])}")
        _need(type(row["epoch"]) is int and row["epoch"] == place, f"record {place} of history is of another epoch")


def _check_tensors(tensors: dict[Any, Any], where: str, *, looks_at_numbers: bool) -> None:
    for name, value in dict.items(tensors):
        _need(_is_name(name), f"{where} has odd names")
        _need(isinstance(value, Tensor), f"{where}: {name} is no tensor")
        fault = tensor_fault(value, looks_at_numbers=looks_at_numbers) or _layout_fault(value)
        _need(fault is None, f"{where}: {name} {fault}")


def _layout_fault(value: Tensor) -> str | None:
    """A tensor whose elements share memory, or leave gaps, was not written by a run."""
    expected = 1
    for stride, size in sorted((stride, size) for stride, size in zip(value.stride(), value.shape, strict=True)):
        if size > 1 and stride != expected:
            return "has elements that overlap or leave gaps"
        expected *= size
    return None


def _check_momenta(states: dict[Any, Any], *, looks_at_numbers: bool) -> None:
    for number, state in dict.items(states):
        _need(_is_count(number), "optimizer has odd names")
        _need(type(state) is dict, f"optimizer: state {number} is no table")
        tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
        _check_tensors(tensors, f"optimizer: state {number}", looks_at_numbers=looks_at_numbers)
        _check_plain({name: value for name, value in state.items() if name not in tensors}, "optimizer")


def _check_scales(value: object, depth: int = 0) -> None:
    """Check the state of float16's loss scale, plain numbers under names: GradScaler and apex load whatever they get."""
    if depth < 3 and type(value) is dict:
        _need(all(map(_is_name, value)), "precision has odd names")
        for inner in value.values():
            _check_scales(inner, depth + 1)
    else:
        fits = _is_number(value) and 0 <= value <= _LARGEST_SCALE
        _need(fits or value is None or isinstance(value, bool), "precision is no table of numbers")


def _check_tally(tally: dict[Any, Any], *, looks_at_numbers: bool) -> None:
    _need(all(isinstance(tally.get(name), Tensor) for name in _TALLY), "tally lacks a sum")
    tensors = {name: tally[name] for name in _TALLY}
    for name in _MAY_BE_BROKEN:
        _check_tensors({name: tensors.pop(name)}, "tally", looks_at_numbers=False)
    _check_tensors(tensors, "tally", looks_at_numbers=looks_at_numbers)
    # Loaded in place, a single number would spread over all sums.
    parts = tally["first_broken_parts"]
    fits = parts.ndim == 1 and tally["sums"].shape == (len(parts) + 1,)
    _need(fits and all(tally[name].ndim == 0 for name in _COUNTS), "tally: sums have another shape")
    if looks_at_numbers:
        for name, least in _COUNTS.items():
            _need(least <= tally[name].item() <= _LARGEST_COUNT, f"tally: {name} is out of range")
        # The number of steps that the sums hold.
        _need(0 <= tally["sums"][-1].item() <= _LARGEST_COUNT, "tally: sums count no steps")


def _check_generators(states: dict[Any, Any]) -> None:
    for name, state in dict.items(states):
        fits = (
            isinstance(state, Tensor) and state.dtype is torch.uint8 and state.ndim == 1 and state.device.type == "cpu"
        )
        _need(name in ("cpu", "cuda") and fits, "rng is no state of a generator")
    _need("cpu" in states, "rng lacks the processor's generator")
