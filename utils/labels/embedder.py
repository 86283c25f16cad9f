"""Class names -> vectors of a text encoder: a prior that needs no vocabulary."""

import re
from collections.abc import Sequence

import numpy as np

from utils.errors import SemcoError


def embed_texts(spec: str, texts: Sequence[str]) -> np.ndarray:
    """Encode texts on the CPU, float32 (n, D).

    Args:
        spec: `sentence-transformers:MODEL`, where MODEL is a folder or a name that the package knows.

    Raises:
        SemcoError: no such package, a model that cannot be loaded, or vectors of no use.
    """
    kind, _, model = spec.partition(":")
    if kind != "sentence-transformers" or not model:
        raise SemcoError(f"--label-embedder is {spec!r}: expected sentence-transformers:MODEL, a name or a folder")
    try:
        from sentence_transformers import SentenceTransformer  # optional, and seconds of imports
    except ImportError as error:
        raise SemcoError(
            f"--label-embedder {spec} needs another package ({error}): pip install sentence-transformers, or pass "
            "--word-vec-path instead"
        ) from error
    try:
        encoder = SentenceTransformer(model, device="cpu")
    # What a missing, damaged or unreachable model raises is the package's own business and changes with its versions.
    except Exception as error:
        raise SemcoError(
            f"--label-embedder {spec}: the model cannot be loaded ({type(error).__name__}: {error}); "
            "name the folder of a complete model, or a model that can be downloaded"
        ) from error
    vectors = np.asarray(encoder.encode(list(texts), convert_to_numpy=True, show_progress_bar=False), dtype=np.float32)
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise SemcoError(f"--label-embedder {spec} gives vectors that are zero or not finite: choose another model")
    return vectors


def readable(label: str) -> str:
    """Return a class name as a person writes it: spaces for underscores."""
    return re.sub(r"[_\s]+", " ", label).strip()
