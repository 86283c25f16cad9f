"""Word-vector files of every format, and every way in which they can be wrong."""

import gzip
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.errors import SemcoError
from utils.words.word_vectors import open_word_vectors

TERMS = ["fish", "guinea_pig", "the", "Ätna", "boot"]
VECTORS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def _row(term, vector):
    return f"{term} " + " ".join(f"{value:.9g}" for value in vector)


ROWS = [_row(term, vector) for term, vector in zip(TERMS, VECTORS, strict=True)]
PLAIN = "\n".join(ROWS) + "\n"
HEADED = "5 4\n" + PLAIN
CONCEPTNET = (
    "8 4\n/c/de/fisch 9 9 9 9\n" + "\n".join("/c/en/" + row for row in ROWS) + "\n/c/fr/x 9 9 9 9\n/c/ja/y 8 8 8 8\n"
)


def _write(tmp_path, name, content):
    path = tmp_path / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("glove.txt", PLAIN),
        ("glove.txt.gz", PLAIN),
        ("no_last_break.txt", PLAIN.rstrip("\n")),
        ("trailing_blanks.txt", HEADED.replace("\n", " \n").replace("5 4 ", "5 4")),
        ("byte_order_mark.txt", "\ufeff" + PLAIN),
        ("byte_order_mark_headed.txt.gz", "\ufeff" + HEADED),
        ("tabs.txt", PLAIN.replace(" ", "\t")),
        ("tab_after_the_term.txt", "\n".join(row.replace(" ", "\t", 1) for row in ROWS)),
        ("several_blanks.txt", HEADED.replace(" ", "   ").replace("5   4", "5 4")),
        ("some_blanks.txt", PLAIN.replace(" ", "  ", 3)),
        ("blank_last_line.txt", HEADED + "\n"),
        ("blank_last_lines.txt.gz", PLAIN + "\n \t\n\n"),
        ("windows.txt", HEADED.replace("\n", "\r\n")),
        ("numberbatch.txt", HEADED),
        ("numberbatch.txt.gz", HEADED),
        ("multilingual.txt", CONCEPTNET),
        ("dict.pkl", pickle.dumps(dict(zip(TERMS, VECTORS, strict=True)))),
        ("lists.pickle", pickle.dumps({term: vector.tolist() for term, vector in zip(TERMS, VECTORS, strict=True)})),
        ("no_suffix", pickle.dumps(dict(zip(TERMS, VECTORS, strict=True)), protocol=2)),
    ],
)
def test_formats(tmp_path, name, content):
    opened = open_word_vectors(_write(tmp_path, name, content))
    assert opened.terms == TERMS
    assert opened.dim == 4
    wanted = ["boot", "fish", "Ätna", "boot"]
    np.testing.assert_allclose(opened.select(wanted), VECTORS[[4, 0, 3, 4]], rtol=1e-6)
    assert opened.select(wanted).dtype == np.float32


@pytest.mark.parametrize("header", ["class,wing,beak\n", ""])
def test_class_attributes(tmp_path, header):
    opened = open_word_vectors(_write(tmp_path, "a.csv", header + "Black-footed Albatross,1,0.5\nthe Crow,0,-2\n"))
    assert opened.terms == ["black_footed_albatross", "crow"]
    np.testing.assert_allclose(opened.select(["crow"]), [[0, -2]])


def test_terms_with_spaces(tmp_path):
    opened = open_word_vectors(_write(tmp_path, "glove.840B.txt", "a 1 2 3\n. . . 4 5 6\nb 7 8 9\n"))
    assert opened.terms == ["a", ". . .", "b"]
    np.testing.assert_allclose(opened.select([". . ."]), [[4, 5, 6]])


def test_the_first_of_equal_terms_wins(tmp_path):
    opened = open_word_vectors(_write(tmp_path, "a.txt", "x 1 2\ny 3 4\nx 5 6\n"))
    np.testing.assert_allclose(opened.select(["x"]), [[1, 2]])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.txt", "", "empty"),
        ("empty.txt.gz", "", "empty"),
        ("announced.txt", HEADED.replace("5 4", "6 4"), "6 terms announced, 5 found"),
        ("cut_line.txt", HEADED + "last 1 2\n", "line 7 holds 2 numbers, expected 4"),
        ("cut_number.txt", PLAIN + "last 1 2 3 4.", "line 6"),
        ("header_only.txt", "0 4\n", "no term"),
        ("cut.txt.gz", None, "cut short or damaged"),
        ("pickled_list.pkl", pickle.dumps([1, 2]), "pickled dict"),
        ("pickled_numbers.pkl", pickle.dumps({1: [1.0]}), "pickled dict"),
        ("empty_dict.pkl", pickle.dumps({}), "pickled dict"),
        ("cut.pkl", pickle.dumps({"a": VECTORS[0]})[:-9], "damaged"),
        ("ragged.csv", "a,1,2\nb,1\n", "row 2 ('b') does not hold 2 numbers"),
        ("words.csv", "a,1,2\nb,1,two\n", "row 2"),
        ("names.csv", "a\nb\n", "at least one number"),
        ("latin.csv", "\xe9,1\n".encode("latin1"), "UTF-8"),
    ],
)
def test_damaged_files(tmp_path, name, content, words):
    if content is None:
        path = tmp_path / name
        path.write_bytes(gzip.compress(PLAIN.encode() * 100)[:-20])
    else:
        path = _write(tmp_path, name, content)
    with pytest.raises(SemcoError) as caught:
        open_word_vectors(path)
    assert words in str(caught.value)
    assert name in str(caught.value)


def test_too_few_announced_dimensions(tmp_path):
    """The surplus number joins the term, as in terms with spaces, and no class name matches it."""
    opened = open_word_vectors(_write(tmp_path, "wrong_dim.txt", HEADED.replace("5 4", "5 3", 1)))
    assert [term.split(" ")[0] for term in opened.terms] == TERMS
    assert not set(opened.terms) & set(TERMS)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("nan.txt", "a 1 nan\nb 1 2\n", "not finite"),
        ("inf.txt", "a inf 1\nb 1 2\n", "not finite"),
        ("zero.txt", "a 0 0\nb 1 2\n", "is zero"),
        ("words.txt", "a 1 two\nb 1 2\n", "line 1 holds something that is no number"),
        ("ragged.pkl", pickle.dumps({"b": [1.0, 2.0], "a": [1.0]}), "has 1 numbers, expected 2"),
        ("matrix.pkl", pickle.dumps({"b": [1.0, 2.0], "a": np.ones((2, 1))}), "no row of numbers"),
        ("text.pkl", pickle.dumps({"b": [1.0, 2.0], "a": "xy"}), "no row of numbers"),
        ("nan.csv", "a,nan,1\nb,1,2\n", "not finite"),
    ],
)
def test_damaged_vectors_matter_only_where_they_are_needed(tmp_path, name, content, words):
    opened = open_word_vectors(_write(tmp_path, name, content))
    assert opened.select(["b"]).shape == (1, 2)
    with pytest.raises(SemcoError) as caught:
        opened.select(["b", "a"])
    assert words in str(caught.value)


def test_missing_file(tmp_path):
    for path in (tmp_path / "gone.txt", tmp_path):
        with pytest.raises(SemcoError, match="SEMCO_WV_PATH"):
            open_word_vectors(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.txt.gz", "a.pkl", "a.csv"]))
def test_any_bytes_give_vectors_or_one_error(tmp_path_factory, content, name):
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(content)
    try:
        opened = open_word_vectors(path)
        opened.select(opened.terms[:3])
    except SemcoError as error:
        assert "\n" not in str(error)


_GOOD_FILES = {
    "a.txt": PLAIN.encode(),
    "headed.txt": HEADED.encode(),
    "conceptnet.txt": CONCEPTNET.encode(),
    "a.txt.gz": gzip.compress(HEADED.encode(), mtime=0),
    "a.pkl": pickle.dumps(dict(zip(TERMS, VECTORS, strict=True)), protocol=4),
    "lists.pkl": pickle.dumps({term: vector.tolist() for term, vector in zip(TERMS, VECTORS, strict=True)}, protocol=2),
    "a.csv": ROWS[0].replace(" ", ",").encode() + b"\n" + ROWS[2].replace(" ", ",").encode() + b"\n",
}


@settings(max_examples=300, deadline=5000)
@given(st.sampled_from(sorted(_GOOD_FILES)), st.data())
def test_any_damage_gives_vectors_or_one_error(tmp_path_factory, name, data):
    content = bytearray(_GOOD_FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content)))
        content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content))
    try:
        opened = open_word_vectors(path)
        vectors = opened.select(opened.terms)
    except SemcoError as error:
        assert str(error).isprintable()
        assert name in str(error)
    else:
        assert vectors.shape == (len(opened.terms), opened.dim)
        assert vectors.dtype == np.float32
        assert np.isfinite(vectors).all()
        assert (np.linalg.norm(vectors, axis=1) > 0).all()
