"""The draw is fixed for ever; totals are shared equally; validation images change no labelled one."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loaders.dataset.label_table import LabelTable
from loaders.dataset.split_draw import draw_split, images_by_class
from utils.errors import SemcoError

CLASSES = ("cat", "ant", "bee")
TABLE = LabelTable(ids=[f"{row:02d}" for row in range(30)], classes=[CLASSES[row % 3] for row in range(30)])


def _table(**sizes):
    """Classes of these sizes, their images in turns, and one image without a class."""
    rows = [(f"{name}{number}", name) for number in range(99) for name, size in sizes.items() if number < size]
    return LabelTable(ids=[*(row[0] for row in rows), "none"], classes=[*(row[1] for row in rows), None])


def _counts(classes):
    return dict(Counter(classes.values()))


def test_a_known_draw_never_changes():
    draw = draw_split(TABLE, seed=123, per_class=3)
    assert list(draw.labelled) == GOLDEN
    assert (draw.validation, draw.exhausted) == ({}, [])


def test_a_known_total_and_validation_never_change():
    draw = draw_split(TABLE, seed=123, total=10, valid_per_class=1)
    assert list(draw.labelled) == GOLDEN_TOTAL
    assert list(draw.validation) == GOLDEN_VALIDATION


def test_the_draw_is_numpys_legacy_stream():
    """Written out the obvious way, with the global generator."""
    np.random.seed(7)
    expected = {}
    for name in sorted(CLASSES):
        files = [file for file, kind in zip(TABLE.ids, TABLE.classes, strict=True) if kind == name]
        expected.update({str(file): name for file in np.random.choice(files, 4, replace=False)})
    assert draw_split(TABLE, seed=7, per_class=4).labelled == expected


def test_a_small_class_gives_all_and_draws_nothing():
    both, alone = _table(ant=2, bee=10), _table(bee=10)
    draw = draw_split(both, seed=5, per_class=3)
    assert draw.exhausted == ["ant"]
    assert {name for name, kind in draw.labelled.items() if kind == "ant"} == {"ant0", "ant1"}
    rest = {name: kind for name, kind in draw.labelled.items() if kind == "bee"}
    assert rest == draw_split(alone, seed=5, per_class=3).labelled


def test_an_even_total_is_the_draw_of_as_many_per_class():
    assert draw_split(TABLE, seed=3, total=12) == draw_split(TABLE, seed=3, per_class=4)


def test_validation_changes_no_labelled_image():
    draw = draw_split(TABLE, seed=3, per_class=4, valid_per_class=6)
    assert draw.labelled == draw_split(TABLE, seed=3, per_class=4).labelled
    assert _counts(draw.validation) == dict.fromkeys(CLASSES, 6)
    assert not draw.validation.keys() & draw.labelled.keys()
    assert all(dict(zip(TABLE.ids, TABLE.classes, strict=True))[name] == kind for name, kind in draw.validation.items())


@settings(deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.integers(0, 60), st.integers(0, 5))
def test_totals_are_as_equal_as_sizes_allow(sizes, total, seed):
    table = _table(**{f"c{place}": size for place, size in enumerate(sizes)})
    if not len(sizes) <= total <= sum(sizes):
        with pytest.raises(SemcoError, match="--labels-total"):
            draw_split(table, seed=seed, total=total or 99)
        return
    draw = draw_split(table, seed=seed, total=total)
    counts = [_counts(draw.labelled)[f"c{place}"] for place in range(len(sizes))]
    assert sum(counts) == total
    level = max(counts)
    assert all(count == size or count >= level - 1 for count, size in zip(counts, sizes, strict=True))
    assert draw.exhausted == [f"c{place}" for place, size in enumerate(sizes) if counts[place] == size]


def test_which_classes_give_one_more_depends_on_the_seed():
    table = _table(**{f"c{place}": 9 for place in range(9)})
    larger = {
        frozenset(k for k, n in _counts(draw_split(table, seed=s, total=13).labelled).items() if n == 2)
        for s in range(9)
    }
    assert len(larger) > 3


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"total": 2}, "--labels-total 2 is less than the 3 classes"),
        ({"total": 31}, "--labels-total 31 is more than the 30 training images with a class"),
        ({"per_class": 4, "valid_per_class": 7}, "--valid-per-label 7 asks for more than the 6 images of class 'ant'"),
    ],
)
def test_too_few_images(settings, words):
    with pytest.raises(SemcoError) as caught:
        draw_split(TABLE, seed=0, **settings)
    assert words in str(caught.value)


def test_images_by_class():
    assert images_by_class(_table(bee=1, ant=2)) == {"ant": ["ant0", "ant1"], "bee": ["bee0"]}


GOLDEN = ["13", "01", "22", "11", "17", "14", "06", "03", "24"]
GOLDEN_TOTAL = ["13", "01", "22", "16", "11", "17", "14", "06", "03", "24"]
GOLDEN_VALIDATION = ["07", "23", "00"]
