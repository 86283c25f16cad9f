"""A drawn test part: fixed for ever, and free of the order in which files are found."""

from pathlib import Path

import pytest

from loaders.prepare.sources.contents import SourceImage
from loaders.prepare.sources.division import divide, share

IMAGES = [SourceImage(f"{number:02d}.png", "ant" if number % 3 else "bee", Path("x")) for number in range(30)]


def _names(images):
    return [image.name for image in images]


def test_a_known_draw_never_changes():
    train, test = divide(IMAGES, share(0.2), seed=123)
    assert _names(test) == GOLDEN
    assert sorted(_names(train) + _names(test)) == _names(IMAGES)
    assert _names(train) == sorted(_names(train))


def test_the_order_of_files_does_not_matter():
    _, test = divide(IMAGES[::-1], share(0.2), seed=123)
    assert sorted(_names(test)) == GOLDEN
    assert _names(divide(IMAGES, share(0.2), seed=124)[1]) != GOLDEN


def test_images_without_a_class_stay_in_training():
    more = [*IMAGES, SourceImage("unknown.png", None, Path("x"))]
    train, test = divide(more, share(0.2), seed=123)
    assert _names(test) == GOLDEN
    assert "unknown.png" in _names(train)


@pytest.mark.parametrize(
    ("fraction", "count", "expected"),
    [(0.2, 10, 2), (0.25, 10, 3), (0.01, 10, 1), (0.99, 10, 9), (0.5, 2, 1), (0.5, 1, 0)],
)
def test_share(fraction, count, expected):
    assert share(fraction)(count) == expected


GOLDEN = ["03.png", "06.png", "07.png", "08.png", "22.png", "26.png"]
