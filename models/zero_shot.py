"""A trained classifier and the names of classes that it never saw -> one whose embedding head scores them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from models.inference import Classifier
from utils.errors import SemcoError, and_more
from utils.files.tables import read_class_names
from utils.flags.config import Config
from utils.labels.semantics import describe_labels
from utils.progress import Progress
from utils.words.word_vectors import open_word_vectors


def for_new_classes(classifier: Classifier, path: Path, *, config: Config, progress: Progress) -> Classifier:
    """Let the embedding head score the class names listed in `path`: its space is that of the word vectors.

    Args:
        config: the run's flags, with --word-vec-path and --label-terms for the new names.

    Raises:
        SemcoError: names without a word vector, or other word vectors than those of the training.
    """
    names = read_class_names(path)
    if config.label_embedder is None and config.word_vec_path is not None:
        _check_same_vectors(classifier, config.word_vec_path, progress)
    semantics = describe_labels(config, names, progress=progress)
    trained = classifier.facts.class_vectors.shape[1]
    if semantics.vectors.shape[1] != trained:
        raise SemcoError(
            f"--classes: these vectors have {semantics.vectors.shape[1]} dimensions, the run was trained with {trained}: "
            "name its own word vectors with --word-vec-path"
        )
    vectors, groups = torch.from_numpy(semantics.vectors).float(), torch.from_numpy(semantics.grouping.ids).long()
    return classifier.with_classes(tuple(names), vectors, groups)


def _check_same_vectors(classifier: Classifier, path: Path, progress: Progress) -> None:
    """Make sure that a file gives the trained classes the vectors that the checkpoint holds.

    Another file of equal dimension would be another space, and every score would be noise.
    """
    facts = classifier.facts
    word_vectors = open_word_vectors(path, progress)
    known = set(word_vectors.terms)
    rows = [row for row, term in enumerate(facts.terms) if term in known]
    if not rows:
        raise _other(path, facts.class_names)
    found = word_vectors.select([facts.terms[row] for row in rows])
    stored = facts.class_vectors[rows].numpy()
    if found.shape != stored.shape:
        raise _other(path, facts.class_names)
    differs = [facts.class_names[row] for row, same in zip(rows, _same(found, stored), strict=True) if not same]
    if differs:
        raise _other(path, differs)


def _same(found: np.ndarray, stored: np.ndarray) -> Sequence[bool]:
    return np.isclose(found, stored, rtol=1e-4, atol=1e-6).all(axis=1).tolist()


def _other(path: Path, names: Sequence[str]) -> SemcoError:
    return SemcoError(
        f"--word-vec-path {path} gives {names[0]!r}{and_more(names)} other vectors than the run was trained with: "
        "name the word vectors of the training"
    )
