"""Every format to every other one and back, whole, in part, and with fewer dimensions."""

import pickle
import tempfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.errors import SemcoError
from utils.files.pickles import dump_pickle
from utils.progress import Progress
from utils.words.convert import convert
from utils.words.layouts import LAYOUTS, resolve_layout
from utils.words.terms import spell
from utils.words.word_vectors import open_word_vectors

TERMS = ["fish", "guinea_pig", "größe", "##_word", *(f"word{place}" for place in range(60))]
VECTORS = np.random.default_rng(0).normal(size=(len(TERMS), 6)).astype(np.float32)
NAMES = {"pickle": "a.pkl", "numberbatch": "a.txt", "conceptnet": "b.txt.gz", "glove": "c.txt", "csv": "a.csv"}
SILENT = Progress(enabled=False)


@pytest.fixture
def source(tmp_path):
    dump_pickle(tmp_path / "source.pkl", dict(zip(TERMS, VECTORS, strict=True)))
    return open_word_vectors(tmp_path / "source.pkl")


@pytest.mark.parametrize("layout", NAMES)
def test_every_layout_writes_one_temporary_file_that_the_next_writing_would_sweep(
    tmp_path, source, monkeypatch, layout
):
    made, original = [], tempfile.mkstemp

    def noted(**settings):
        made.append(settings["prefix"])
        return original(**settings)

    monkeypatch.setattr(tempfile, "mkstemp", noted)
    _convert(source, tmp_path / NAMES[layout], layout=layout)
    assert made == [f".{NAMES[layout]}."]


def _convert(source, path, **settings):
    return convert(source, path, progress=SILENT, **settings)


def test_every_layout_has_a_test():
    assert set(NAMES) == set(LAYOUTS)


@pytest.mark.parametrize("first", NAMES)
@pytest.mark.parametrize("second", NAMES)
def test_from_any_format_to_any_other(tmp_path, source, first, second):
    """No digit is lost on the way."""
    one, two = tmp_path / f"one_{NAMES[first]}", tmp_path / f"two_{NAMES[second]}"
    assert _convert(source, one, layout=first).count == len(TERMS)
    done = _convert(open_word_vectors(one), two, layout=second)
    assert (done.count, done.dim, done.missing, done.components) == (len(TERMS), 6, [], None)
    opened = open_word_vectors(two)
    assert opened.terms == TERMS
    np.testing.assert_array_equal(opened.select(TERMS), VECTORS)


def test_what_the_files_hold(tmp_path, source):
    for layout, first in (("numberbatch", "64 6"), ("conceptnet", "64 6"), ("glove", "fish "), ("csv", "class,d1,d2")):
        _convert(source, tmp_path / f"{layout}{'.csv' if layout == 'csv' else '.txt'}", layout=layout)
        lines = (tmp_path / f"{layout}{'.csv' if layout == 'csv' else '.txt'}").read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith(first)
        assert layout != "conceptnet" or lines[1].startswith("/c/en/fish ")
    _convert(source, tmp_path / "dict.pkl")
    content = pickle.loads((tmp_path / "dict.pkl").read_bytes())
    assert list(content) == TERMS
    assert (content["fish"].dtype, content["fish"].shape) == (np.float32, (6,))


def test_equal_vectors_give_equal_bytes(tmp_path, source):
    for name in NAMES.values():
        _convert(source, tmp_path / f"x{name}", dim=3)
        _convert(source, tmp_path / f"y{name}", dim=3)
        assert (tmp_path / f"x{name}").read_bytes() == (tmp_path / f"y{name}").read_bytes()


def test_fewer_dimensions_are_fitted_on_all_terms(tmp_path, source):
    whole = _convert(source, tmp_path / "whole.pkl", dim=3)
    part = _convert(source, tmp_path / "part.pkl", dim=3, terms=["word7", "fish", "nothing", "word7"])
    np.testing.assert_array_equal(whole.components.axes, part.components.axes)
    assert (part.count, part.dim, part.missing) == (2, 3, ["nothing"])
    opened = open_word_vectors(tmp_path / "part.pkl")
    assert opened.terms == ["fish", "word7"]
    np.testing.assert_array_equal(
        opened.select(["fish", "word7"]), open_word_vectors(tmp_path / "whole.pkl").select(["fish", "word7"])
    )
    np.testing.assert_allclose(opened.select(["fish"]), whole.components.project(VECTORS[:1]), rtol=1e-6)


def test_equal_terms_are_written_once_and_foreign_ones_not_at_all(tmp_path):
    (tmp_path / "in.txt").write_text("4 2\n/c/en/x 1 2\n/c/de/y 8 8\n/c/en/y 3 4\n/c/en/x 5 6\n")
    done = _convert(open_word_vectors(tmp_path / "in.txt"), tmp_path / "out.txt")
    assert done.count == 2
    assert (tmp_path / "out.txt").read_text() == "2 2\nx 1 2\ny 3 4\n"


@pytest.mark.parametrize(
    ("name", "layout", "expected"),
    [
        ("a.pkl", "auto", "pickle"),
        ("a.19.08.txt.gz", "auto", "numberbatch"),
        ("A.TXT", "glove", "glove"),
        ("a.vec", "auto", "numberbatch"),
        ("a.csv", "csv", "csv"),
        ("a", "auto", None),
        ("a.npz", "auto", None),
        ("a.pkl.gz", "auto", None),
        ("a.gz", "auto", None),
        ("a.csv", "glove", None),
        ("a.txt", "pickle", None),
        ("a.pkl", "csv", None),
    ],
)
def test_suffixes(tmp_path, name, layout, expected):
    if expected is not None:
        assert resolve_layout(tmp_path / name, layout) == expected
        return
    with pytest.raises(SemcoError) as caught:
        resolve_layout(tmp_path / name, layout)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("content", "settings", "words"),
    [
        ({"a": [1.0, 2.0], "b": [np.nan, 1.0]}, {}, "the vector of 'b' is not finite"),
        ({"a": [1.0, 2.0], "b": [1.0]}, {}, "has 1 numbers, expected 2"),
        ({"a": [1.0, 2.0], "b": [1.0, 3.0]}, {"dim": 3}, "3 principal components of 2 vectors of 2 dimensions"),
        ({"a": [1.0, 2.0]}, {"terms": ["c", "d"]}, "none of the 2 wanted terms"),
        ({"a": [1.0, 2.0], "b\nc": [1.0, 2.0]}, {}, "'b\\nc' cannot stand in a text file"),
        ({"a": [1.0, 2.0], "": [1.0, 2.0]}, {}, "'' cannot stand in a text file"),
    ],
)
def test_what_cannot_be_written_leaves_nothing(tmp_path, content, settings, words):
    dump_pickle(tmp_path / "in.pkl", content)
    with pytest.raises(SemcoError) as caught:
        _convert(open_word_vectors(tmp_path / "in.pkl"), tmp_path / "out.txt.gz", **settings)
    assert words in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["in.pkl"]


@pytest.mark.parametrize(
    ("terms", "name", "layout"),
    [
        # The first line says how many numbers there are, unless a header does.
        (["new york", "boot"], "out.txt", "glove"),
        (["7", "boot"], "out.txt", "glove"),
        (["boot", "/c/de/stiefel"], "out.txt", "numberbatch"),
        (["boot", "tab\tinside", "trailing\t"], "out.txt.gz", "numberbatch"),
        (["\ufeffboot", "x"], "out.txt", "glove"),
        (["boot", "\ud800"], "out.txt", "numberbatch"),
        (["boot", "\ud800"], "out.csv", "csv"),
        (["a b", "a-b"], "out.csv", "csv"),
        (["PAR1", "boot"], "out.txt", "glove"),
    ],
)
def test_nothing_is_written_that_would_be_read_as_something_else(tmp_path, terms, name, layout):
    dump_pickle(tmp_path / "in.pkl", {term: [1.0] for term in terms})
    with pytest.raises(SemcoError, match=r"write a \.pkl instead"):
        _convert(open_word_vectors(tmp_path / "in.pkl"), tmp_path / name, layout=layout)
    assert [path.name for path in tmp_path.iterdir()] == ["in.pkl"]
    _convert(open_word_vectors(tmp_path / "in.pkl"), tmp_path / "out.pkl")
    assert open_word_vectors(tmp_path / "out.pkl").terms == terms


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=5),
    st.integers(1, 3),
    st.sampled_from(sorted(NAMES)),
)
def test_any_terms_come_back_or_are_refused(tmp_path_factory, terms, dim, layout):
    folder = tmp_path_factory.mktemp("any")
    dump_pickle(folder / "in.pkl", {term: [1.0] * dim for term in terms})
    path = folder / NAMES[layout]
    try:
        _convert(open_word_vectors(folder / "in.pkl"), path, layout=layout)
    except SemcoError as error:
        assert str(error).isprintable()
        assert not path.exists()
    else:
        opened = open_word_vectors(path)
        assert opened.terms == ([spell(term) for term in terms] if layout == "csv" else terms)
        assert opened.dim == dim
        assert opened.select(opened.terms).shape == (len(terms), dim)
