"""The matching rules, one by one, and what holds for any names and any vocabulary."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.project import ROOT
from utils.errors import SemcoError
from utils.labels.matching import LabelMatch, Unmatched, match_labels
from utils.labels.vocabulary import Vocabulary
from utils.words.terms import normalise

VOCABULARY = [
    "fish", "boot", "tv_monitor", "garden_spider", "golf_cart", "aboard", "board", "hen", "tree", "woods", "apple", "of",
    "guitar", "seashore", "wing", "on", "acoustic_guitar", "cart",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Guinea Pig", "guinea_pig"),
        ("T-shirt/top", "t_shirt_top"),
        ("the_sea", "sea"),
        ("hen_of_the_woods", "hen_of_woods"),
        ("  __odd -- name_ ", "odd_name"),
        ("theatre", "theatre"),
        ("bathe", "bathe"),
        ("The", ""),
    ],
)
def test_normalise(name, expected):
    assert normalise(name) == expected


@pytest.mark.parametrize(
    ("name", "term", "rule"),
    [
        ("apple", "apple", "exact"),
        ("Garden-Spider", "garden_spider", "exact"),
        ("black_and_gold_garden_spider", "garden_spider", "bigram"),
        ("old acoustic guitars", "acoustic_guitar", "singular"),
        ("apples", "apple", "singular"),
        ("sandy sea shore", "seashore", "collapsed"),
        ("sandy sea shores", "seashore", "collapsed_singular"),
        ("hen_of_the_woods", "hen", "of"),
        ("aquarium_fish", "fish", "head"),
        ("Ankle boot", "boot", "head"),
        ("maple_tree", "tree", "head"),
        ("fish xyz", "fish", "head"),
        ("writing on a board", "board", "head"),
        ("tvmonitor", "tv_monitor", "edit1"),
        ("golfcart", "golf_cart", "edit1"),
        ("appel", None, None),
        ("aple", "apple", "edit1"),
    ],
)
def test_rules(name, term, rule):
    (entry,) = match_labels([name], VOCABULARY).entries
    if term is None:
        assert isinstance(entry, Unmatched)
    else:
        assert entry == LabelMatch(name, term, rule)


def test_function_words_never_count():
    # `a_board` would collapse to `aboard`; `on` and `of` are in the vocabulary but mean nothing.
    assert match_labels(["a board"], VOCABULARY).entries[0].term == "board"
    assert isinstance(match_labels(["zzzz on"], VOCABULARY).entries[0], Unmatched)
    assert match_labels(["wing of"], VOCABULARY).entries[0] == LabelMatch("wing of", "wing", "of")


def test_the_first_near_term_of_the_vocabulary_wins():
    assert match_labels(["bat"], ["cat", "bats", "hat"]).entries[0].term == "cat"
    assert match_labels(["bat"], ["bats", "cat", "hat"]).entries[0].term == "bats"


def test_unmatched_names_come_with_their_nearest_terms():
    result = match_labels(["golfing carte", "apple"], VOCABULARY)
    (entry,) = result.unmatched
    assert entry.label == "golfing carte"
    assert len(entry.nearest) == 3
    assert "golf_cart" in entry.nearest


def test_shared_terms():
    assert match_labels(["maple_tree", "pine tree", "hen"], VOCABULARY).shared == {"tree": ["maple_tree", "pine tree"]}


def test_overrides():
    result = match_labels(["maple_tree", "hen"], VOCABULARY, {"maple_tree": "Garden Spider"})
    assert result.entries[0] == LabelMatch("maple_tree", "garden_spider", "given")
    with pytest.raises(SemcoError, match="names the class 'mapel'"):
        match_labels(["maple"], VOCABULARY, {"mapel": "tree"})
    with pytest.raises(SemcoError, match="has no vector; nearest terms: hen"):
        match_labels(["maple"], VOCABULARY, {"maple": "hens"})


NAMES = st.text(alphabet="abcs _-/T", min_size=1, max_size=12)


@given(
    st.lists(NAMES, unique=True, max_size=8),
    st.lists(st.text(alphabet="abcs_t", min_size=1, max_size=8), unique=True, min_size=1),
)
def test_what_always_holds(names, vocabulary):
    result = match_labels(names, vocabulary)
    assert [entry.label for entry in result.entries] == names
    for entry in result.entries:
        if isinstance(entry, LabelMatch):
            assert entry.term in vocabulary
            if normalise(entry.label) in vocabulary:
                assert entry.rule == "exact"
        else:
            assert set(entry.nearest) <= set(vocabulary)


ANY_NAMES = st.lists(st.text(max_size=12), unique=True, max_size=6)
ANY_TERMS = st.lists(st.text(max_size=8), unique=True, min_size=1, max_size=12)


@given(ANY_NAMES, ANY_TERMS)
def test_any_names_and_any_vocabulary(names, vocabulary):
    """In every script: a term or the news that there is none, the same each time, whoever else is matched."""
    result = match_labels(names, vocabulary)
    assert [entry.label for entry in result.entries] == names
    for entry in result.entries:
        found = [entry.term] if isinstance(entry, LabelMatch) else entry.nearest
        assert set(found) <= set(vocabulary)
        assert match_labels([entry.label], vocabulary).entries == (entry,)
    assert set(result.unmatched) == {entry for entry in result.entries if isinstance(entry, Unmatched)}


@given(st.text())
def test_normalise_is_idempotent(name):
    assert normalise(normalise(name)) == normalise(name)


def test_the_hash_seed_of_the_process_has_no_effect():
    script = (
        "import random; from utils.labels.matching import match_labels\n"
        "draw = random.Random(0); word = lambda: ''.join(draw.choices('abcs_t ', k=draw.randint(2, 6)))\n"
        "print(match_labels([word() for _ in range(200)], [word() for _ in range(300)]).entries)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(answers) == 1
    assert "edit1" in answers.pop()


@given(NAMES)
def test_edit1_agrees_with_a_plain_search(name):
    vocabulary = ["abc", "tss", "ab_c", "sab", "_", "tabc", "c_c_c"]
    (entry,) = match_labels([name], vocabulary).entries
    if isinstance(entry, Unmatched) or entry.rule == "edit1":
        near = [term for term in vocabulary if _distance(normalise(name), term) == 1]
        assert (entry.term if isinstance(entry, LabelMatch) else None) == (near[0] if near else None)


def _distance(one: str, two: str) -> int:
    row = list(range(len(two) + 1))
    for i, char in enumerate(one, start=1):
        previous, row[0] = row[0], i
        for j, other in enumerate(two, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (char != other))
    return row[-1]


def test_nearest_terms():
    assert Vocabulary(VOCABULARY).nearest(["Garden spiders", "fsh"], 1) == [("garden_spider",), ("fish",)]
