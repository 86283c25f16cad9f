"""A network -> the bytes of model.safetensors, model.onnx and model.pt2."""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from importlib.metadata import version

import torch

from models.export.network import INPUT, OUTPUTS, ExportedNet
from models.inference import Classifier
from utils.errors import SemcoError

PACKAGES = ("onnx", "onnxscript", "onnxruntime", "safetensors")


def check_packages() -> None:
    """Make sure that everything is installed that only an export needs.

    Raises:
        SemcoError: a package is missing.
    """
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise SemcoError(f"an export needs {', '.join(missing)}: pip install -r requirements-export.txt")


def versions() -> dict[str, str]:
    """Return the versions of the packages that make the files."""
    return {name: version(name) for name in ("torch", *PACKAGES)}


def safetensors_bytes(classifier: Classifier) -> bytes:
    """Return the averaged weights under the network's own names, and the labels' vectors and groups under `labels.`."""
    import safetensors.torch

    tensors = {name: value.cpu().contiguous() for name, value in classifier.model.state_dict().items()}
    tensors["labels.class_vectors"] = classifier.facts.class_vectors
    tensors["labels.groups"] = classifier.facts.groups
    return safetensors.torch.save(tensors, metadata={"format": "pt", "fingerprint": classifier.fingerprint})


def exported_program(network: ExportedNet, side: int) -> torch.export.ExportedProgram:
    """Trace the network for any number of images of `side` x `side` pixels."""
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    with _quiet():
        return torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},), strict=False)


def pt2_bytes(program: torch.export.ExportedProgram) -> bytes:
    """Return what `torch.export.load` reads."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names the folders of this machine
    file = io.BytesIO()
    with _quiet():
        torch.export.save(program, file)
    return file.getvalue()


def onnx_bytes(network: ExportedNet, side: int) -> bytes:
    """Return the network as ONNX, the batch dynamic.

    Raises:
        SemcoError: this version of torch or of onnxscript cannot translate the network.
    """
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    try:
        with _quiet():
            made = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                input_names=[INPUT],
                output_names=list(OUTPUTS),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise SemcoError(
            f"torch {torch.__version__} cannot write this network as ONNX ({reason}): upgrade torch and onnxscript"
        ) from error
    content = made.model_proto
    for part in (
        content.graph,
        *content.graph.node,
        *content.functions,
        *(node for one in content.functions for node in one.node),
    ):
        del part.metadata_props[:]  # stack traces, which name the folders of this machine
    return content.SerializeToString()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' talk about their own insides from the user; their errors come through."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
