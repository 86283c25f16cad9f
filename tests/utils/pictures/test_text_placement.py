"""Names keep off each other, off points and off lines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.pictures.text_placement import leaders, place_names, spread

FRAME = (0.0, 0.0, 1000.0, 800.0)
NO_LINES = np.empty((0, 2))


def overlaps(boxes):
    """Number of pairs of (N, 4) boxes that share an area."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    return int(np.triu((high - low > 1e-6).all(-1), k=1).sum())


def points_inside(boxes, points):
    inside = (points[None] > boxes[:, None, :2]) & (points[None] < boxes[:, None, 2:])
    return int(inside.all(-1).sum())


def test_spread_leaves_alone_what_is_apart():
    assert spread([5, 30, 17], gap=10, low=0, high=100).tolist() == [5, 30, 17]


def test_spread_moves_both_neighbours_equally_and_stays_inside():
    assert spread([52, 50], gap=10, low=0, high=100).tolist() == [56, 46]
    assert spread([99, 99, 99], gap=10, low=0, high=100).tolist() == [80, 90, 100]
    assert spread([0, 0], gap=10, low=0, high=100).tolist() == [0, 10]
    assert spread([], gap=10, low=0, high=100).tolist() == []


@given(st.lists(st.floats(-50, 150), max_size=9))
def test_spread_keeps_gap_bounds_and_order(wanted):
    placed = spread(wanted, gap=10, low=0, high=100)
    order = np.argsort(wanted, kind="stable")
    assert (np.diff(placed[order]) >= 10 - 1e-9).all()
    assert all(-1e-9 <= value <= 100 + 1e-9 for value in placed)
    if all(0 <= value <= 100 for value in wanted) and (np.diff(np.sort(wanted)) >= 10).all():
        assert placed == pytest.approx(wanted)


def test_a_lone_name_goes_to_the_right_of_its_point():
    (box,) = place_names(np.array([[500.0, 400.0]]), np.array([[60.0, 12.0]]), frame=FRAME, lines=NO_LINES)
    assert 500 < box[0] < 515
    assert box[1] < 400 < box[3]
    assert (box[2:] - box[:2]).tolist() == [60, 12]


def test_a_name_at_the_right_edge_goes_elsewhere():
    (box,) = place_names(np.array([[990.0, 400.0]]), np.array([[60.0, 12.0]]), frame=FRAME, lines=NO_LINES)
    assert box[2] <= 1000


def test_crowded_names_cover_neither_each_other_nor_points():
    rng = np.random.default_rng(3)
    points = np.concatenate(
        [rng.normal((400, 400), 70, (45, 2)), np.full((3, 2), 700.0), rng.uniform(50, 750, (20, 2))]
    )
    sizes = np.stack([rng.uniform(30, 70, len(points)), np.full(len(points), 11.0)], axis=1)
    boxes = place_names(points, sizes, frame=FRAME, lines=NO_LINES)
    assert overlaps(boxes) == 0
    assert points_inside(boxes, points) == 0
    np.testing.assert_array_equal(boxes, place_names(points, sizes, frame=FRAME, lines=NO_LINES))
    # The same places without the search are a thicket.
    corners = points + np.array([8.0, -5.0])
    naive = np.concatenate([corners, corners + sizes], axis=1)
    assert overlaps(naive) > 40


def test_names_keep_off_lines():
    line = np.stack([np.linspace(500, 700, 100), np.full(100, 400.0)], axis=1)
    (box,) = place_names(np.array([[500.0, 400.0]]), np.array([[60.0, 12.0]]), frame=FRAME, lines=line)
    assert points_inside(box[None], line) == 0


def test_no_names():
    assert place_names(np.empty((0, 2)), np.empty((0, 2)), frame=FRAME, lines=NO_LINES).shape == (0, 4)


def test_leaders_reach_from_far_boxes_to_their_points():
    points = np.array([[0.0, 0.0], [100.0, 100.0]])
    boxes = np.array([[5.0, -5.0, 25.0, 5.0], [140.0, 120.0, 160.0, 130.0]])
    ((start, end),) = leaders(points, boxes, longer_than=10)
    assert start.tolist() == [100, 100]
    assert end.tolist() == [140, 120]
