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


def test_no_message_names_more_than_ten_classes(vectors):
    names = [f"qq{number}xyzzy" for number in range(25)]
    with pytest.raises(SemcoError, match="25 of 26 class names") as caught:
        _describe(vectors, names=["hen", *names])
    assert str(caught.value).count("nearest:") == 10
    assert "and 15 more" in str(caught.value)
    (text,) = [text for text in _describe(vectors, "--unmatched-labels", "random", names=["hen", *names]).warnings
               if "random vectors" in text]  # fmt: skip
    assert text.count("xyzzy'") == 10
    assert "and 15 more" in text
    (text,) = [text for text in _describe(vectors, names=["hen", *(f"{name} tree" for name in names)]).warnings
               if "share" in text]  # fmt: skip
    assert text.count("tree'") == 10 + 1
    assert "and 15 more share the term 'tree'" in text


def test_composed_vectors(vectors):
    """Mean direction of the words' vectors, the last one three times, at the last one's length."""
    names = ("hen tree", "apple and fish tree", "tree", "hen")
    semantics = _describe(vectors, names=names)
    assert [match.rule for match in semantics.matches] == ["composed", "composed", "exact", "exact"]
    plain = _describe(vectors, names=("hen", "tree", "apple", "fish")).vectors
    unit = plain / np.linalg.norm(plain, axis=1, keepdims=True)
    hen, tree, apple, fish = unit
    for place, wanted in enumerate((hen + 3 * tree, apple + fish + 3 * tree)):
        wanted = wanted / np.linalg.norm(wanted) * np.linalg.norm(plain[1])
        np.testing.assert_allclose(semantics.vectors[place], wanted, rtol=1e-5)
    np.testing.assert_array_equal(semantics.vectors[2:], plain[[1, 0]])
    kept = _describe(vectors, "--shared-terms", "keep", names=names)
    np.testing.assert_array_equal(kept.vectors, plain[[1, 1, 1, 0]])


def test_shuffled_vectors(tmp_path):
    names = [f"word{number}" for number in range(12)]
    rows = np.random.default_rng(0).normal(size=(12, 8))
    path = tmp_path / "v.txt"
    path.write_text("".join(f"{name} {' '.join(map(str, row))}\n" for name, row in zip(names, rows, strict=True)))
    plain = _describe(path, names=names)
    one, same = (_describe(path, "--shuffle-vectors", names=names) for _ in range(2))
    other = _describe(path, "--shuffle-vectors", "--seed", "9", names=names)
    np.testing.assert_array_equal(one.vectors, same.vectors)
    assert not np.array_equal(one.vectors, other.vectors)
    assert sorted(map(tuple, one.vectors.tolist())) == sorted(map(tuple, plain.vectors.tolist()))
    assert (one.vectors != plain.vectors).any(1).sum() >= 8
    assert one.matches == plain.matches
    assert any(text.startswith("--shuffle-vectors") for text in one.warnings)
    assert one.fingerprint() != plain.fingerprint()
    # A group goes with its vectors.
    sizes = [sorted(np.bincount(semantics.grouping.ids)) for semantics in (plain, one)]
    assert sizes[0] == sizes[1]


def test_as_plain(vectors):
    semantics = _describe(vectors, "--unmatched-labels", "random")
    plain = semantics.as_plain()
    assert plain["class_names"] == list(NAMES)
    assert plain["terms"] == ["apple", "hen", "tree", "tree", ""]
    np.testing.assert_array_equal(plain["vectors"], semantics.vectors)
    assert plain["vectors"].dtype == np.float32
    assert plain["groups"] == semantics.grouping.ids.tolist()
    assert all(type(group) is int for group in plain["groups"])


def _at_angles(tmp_path, degrees):
    path = tmp_path / "angles.txt"
    rows = [(np.cos(angle), np.sin(angle)) for angle in np.radians(degrees)]
    path.write_text("".join(f"word{place} {x:.6f} {y:.6f}\n" for place, (x, y) in enumerate(rows)))
    return path, [f"word{place}" for place in range(len(rows))]


@pytest.mark.parametrize(
    ("degrees", "flags", "words"),
    [
        # Pairs 15, 18 and 21 degrees apart, all else 30 or more: cosine distances 0.034, 0.049, 0.066, then 0.13.
        ([0, 15, 60, 78, 130, 151, 200, 240, 280, 320], ["--eps", "0.01"],
         ["no group holds several classes", "--eps 0.05 would give 8 groups, 2 of several classes", "--eps 0.07 would give 7"]),
        ([0, 15, 60, 78, 130, 151, 200, 240, 280, 320], ["--eps", "0.04"],
         ["only one group holds several classes, 2 of 10", "--eps 0.05 would give 8 groups"]),
        ([0, 2, 4, 6, 8, 10, 12, 14, 16], ["--eps", "0.5"], ["left five groups or fewer", "no radius gives"]),
        ([0, 90, 180], [], ["no group holds", "it takes 8 classes"]),
        ([0, 15, 60, 78, 130, 151, 200, 240, 280, 320], ["--eps", "0.05"], None),
        ([0, 15, 60, 78, 130, 151, 200, 240, 280, 320], ["--eps", "0"], None),
        ([0, 90, 180], ["--lam-u", "0"], None),
    ],
)  # fmt: skip
def test_grouping_without_effect_is_reported_with_radii_that_have_one(tmp_path, degrees, flags, words):
    path, names = _at_angles(tmp_path, degrees)
    found = [text for text in _describe(path, *flags, names=names).warnings if text.startswith("label grouping")]
    assert len(found) == (words is not None)
    for word in words or ():
        assert word in found[0]
