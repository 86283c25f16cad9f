"""The exported files against the network that they were made from."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from models.export.network import INPUT, OUTPUTS, ExportedNet
from utils.errors import SemcoError

TOLERANCE = 1e-4
BATCH_SIZES = (1, 2, 7)
_AT_ONCE = 32
Answer = Callable[[np.ndarray], Sequence[np.ndarray]]
_HEADS = OUTPUTS[:3]


@dataclass(frozen=True)
class CheckImages:
    """Centre crops uint8 (N, H, W, 3) on which files are compared, and where they come from, for people."""

    pixels: np.ndarray
    source: str


def check_files(network: ExportedNet, onnx: bytes, pt2: bytes, images: CheckImages) -> dict[str, object]:
    """Compare ONNX Runtime and the .pt2 with the network, on the CPU; returns the content of check.json.

    Differences are absolute for probabilities; for embeddings they are relative to the largest number in the batch.

    Raises:
        SemcoError: a difference above `TOLERANCE`.
    """
    ask = _network_answer(network)
    answers = {"onnx": _onnx_answer(onnx), "pt2": _pt2_answer(pt2)}
    differences: dict[str, dict[str, dict[str, float]]] = {}
    for name, answer in answers.items():
        differences[name] = {
            str(size): _differences(ask(images.pixels[:size]), answer(images.pixels[:size])) for size in BATCH_SIZES
        }
    agreement = {name: _agreement(ask, answer, images.pixels) for name, answer in answers.items()}
    for name, by_size in differences.items():
        worst = max(value for values in by_size.values() for value in values.values())
        if not worst <= TOLERANCE:
            raise SemcoError(
                f"model.{name} differs from the network by {worst:.2g}, more than {TOLERANCE:g}: nothing was written; "
                "try other versions of torch, onnxscript and onnxruntime"
            )
    return {
        "tolerance": TOLERANCE,
        "largest_difference_by_batch_size": differences,
        "images": len(images.pixels),
        "images_from": images.source,
        "top1_agreement": agreement,
    }


def generated_images(side: int, count: int = 128) -> CheckImages:
    """Draw images that are smooth at several scales, for when there are none of the dataset."""
    draws = torch.Generator().manual_seed(0)
    total = torch.zeros(count, 3, side, side)
    for cells in (2, 4, 8):
        noise = torch.rand(count, 3, cells, cells, generator=draws)
        total += torch.nn.functional.interpolate(noise, (side, side), mode="bilinear", align_corners=False)
    pixels = (total / 3 * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return CheckImages(pixels, "generated: the run's dataset is not there")


def _network_answer(network: ExportedNet) -> Answer:
    @torch.no_grad()
    def answer(images: np.ndarray) -> Sequence[np.ndarray]:
        return [part.numpy() for part in network(torch.from_numpy(images))]

    return answer


def _onnx_answer(content: bytes) -> Answer:
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    return lambda images: session.run(list(OUTPUTS), {INPUT: images})


def _pt2_answer(content: bytes) -> Answer:
    return _network_answer(torch.export.load(io.BytesIO(content)).module())  # type: ignore[arg-type]


def _differences(expected: Sequence[np.ndarray], found: Sequence[np.ndarray]) -> dict[str, float]:
    result = {}
    for name, one, two in zip(OUTPUTS, expected, found, strict=True):
        if one.shape != two.shape:
            raise SemcoError(f"an exported file gives {name} of shape {two.shape}, the network {one.shape}")
        scale = max(1.0, float(np.abs(one).max())) if name == "embedding" else 1.0
        result[name] = float(np.abs(one - two).max()) / scale
    return result


def _agreement(ask: Answer, answer: Answer, pixels: np.ndarray) -> dict[str, float]:
    """Share of images to which both give the same class."""
    same = dict.fromkeys(_HEADS, 0)
    for start in range(0, len(pixels), _AT_ONCE):
        batch = pixels[start : start + _AT_ONCE]
        for name, one, two in zip(_HEADS, ask(batch), answer(batch), strict=False):
            same[name] += int((one.argmax(1) == two.argmax(1)).sum())
    return {name: count / len(pixels) for name, count in same.items()}
