"""The label chain: matches, vectors, groups, warnings, tables."""

import numpy as np
import pytest

from utils.errors import SemcoError
from utils.flags.parse import parse_config
from utils.labels.insight import idle_score
from utils.labels.overrides import read_label_terms
from utils.labels.semantics import describe_labels
from utils.labels.table import format_label_table, write_label_groups
from utils.progress import Progress

SILENT = Progress(enabled=False)
NAMES = ("red apple", "hen", "oak tree", "pine tree", "xyzzy")


@pytest.fixture
def vectors(tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        f"{term} {' '.join(f'{value:.4f}' for value in rng.normal(size=16))}"
        for term in ("apple", "hen", "tree", "fish")
    ]
    path = tmp_path / "vectors.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def _describe(path, *flags, names=NAMES):
    return describe_labels(
        parse_config(["--train-split-pickle", "x", "--word-vec-path", str(path), *flags]), names, progress=SILENT
    )


def test_every_unmatched_name_is_listed(vectors):
    with pytest.raises(SemcoError) as caught:
        _describe(vectors, names=(*NAMES, "qqqq"))
    message = str(caught.value)
    for word in ("2 of 6", "'xyzzy'", "'qqqq'", "nearest:", "--label-terms", "--unmatched-labels random"):
        assert word in message
    assert "\n" not in message


def test_random_vectors_come_from_the_seed_and_are_warned_about(vectors):
    one, same = (_describe(vectors, "--unmatched-labels", "random") for _ in range(2))
    other = _describe(vectors, "--unmatched-labels", "random", "--seed", "9")
    np.testing.assert_array_equal(one.vectors, same.vectors)
    np.testing.assert_array_equal(one.vectors[:4], other.vectors[:4])
    assert not np.allclose(one.vectors[4], other.vectors[4])
    lengths = np.linalg.norm(one.vectors, axis=1)
    assert lengths[4] == pytest.approx(np.median(lengths[:4]), rel=1e-5)
    assert one.matches[4].rule == "random"
    assert any("'xyzzy'" in text for text in one.warnings)


def test_label_terms_override(vectors, tmp_path):
    (tmp_path / "terms.csv").write_text("class,term\nxyzzy,fish\noak tree,apple\n")
    semantics = _describe(vectors, "--label-terms", str(tmp_path / "terms.csv"))
    assert [match.term for match in semantics.matches] == ["apple", "hen", "apple", "tree", "fish"]
    assert any("'red apple', 'oak tree' share the term 'apple'" in text for text in semantics.warnings)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"xyzzy\n", "not `class,term`"),
        (b"xyzzy,\n", "not `class,term`"),
        (b"a,b\na,c\n", "two terms"),
        (b"\xff\xfe,\n", "UTF-8"),
    ],
)
def test_bad_label_terms(tmp_path, content, words):
    (tmp_path / "terms.csv").write_bytes(content)
    with pytest.raises(SemcoError, match=words):
        read_label_terms(tmp_path / "terms.csv")
    with pytest.raises(SemcoError, match=r"cannot read .*gone\.csv"):
        read_label_terms(tmp_path / "gone.csv")


def test_word_vectors_are_required(monkeypatch):
    monkeypatch.delenv("SEMCO_WV_PATH", raising=False)
    with pytest.raises(SemcoError, match="SEMCO_WV_PATH"):
        describe_labels(parse_config(["--train-split-pickle", "x"]), NAMES, progress=SILENT)


def test_table_and_file(vectors, tmp_path):
    semantics = _describe(vectors, "--unmatched-labels", "random", names=(*NAMES, "hens, many"))
    table = format_label_table(semantics)
    assert "6 classes in" in table
    assert "oak tree" in table
    write_label_groups(tmp_path / "groups.csv", semantics)
    lines = (tmp_path / "groups.csv").read_text().splitlines()
    assert lines[0] == "class,term,rule,group"
    assert lines[1] == f"red apple,apple,head,{semantics.grouping.ids[0]}"
    assert lines[6].startswith('"hens, many",')


def test_vectors_that_lie_close_together_are_warned_about(tmp_path):
    rng = np.random.default_rng(0)
    vectors = 2.0 + rng.normal(size=(8, 16))
    path = tmp_path / "close.txt"
    path.write_text("".join(f"word{i} {' '.join(map(str, row))}\n" for i, row in enumerate(vectors)))
    names = [f"word{i}" for i in range(8)]
    (text,) = [text for text in _describe(path, names=names).warnings if "--thr-emb" in text]
    assert f"{idle_score(vectors, np.arange(8)):.2f}" in text
    for flags in (("--thr-emb", "0.99"), ("--lambda-emb", "0"), ("--lam-u", "0")):
        assert not any("--thr-emb" in text for text in _describe(path, *flags, names=names).warnings)


def test_idle_score():
    assert idle_score(np.eye(4), np.arange(4)) == pytest.approx(0.5)
    assert idle_score(np.array([[1.0, 0], [-1, 0]]), np.arange(2)) == 0
