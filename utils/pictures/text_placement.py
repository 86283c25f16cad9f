"""Where to write names in a picture so that they cover nothing. Pure geometry on pixels; nothing is drawn here."""

from collections.abc import Sequence

import numpy as np

_DIRECTIONS = 16
# Distances from a point to its name, in heights of a line of text; beyond the second a leader line is due.
_DISTANCES = (0.75, 1.05, 1.6, 2.3, 3.2, 4.4, 6.0)
_ROUNDS = 4
# What a place costs: touching another name at all, and covering all of it; a point; a piece of a line; leaving the frame;
# distance. Touching has to cost more than the furthest free place.
_TOUCHES_NAME, _COVERS_NAME, _COVERS_POINT, _COVERS_LINE, _LEAVES_FRAME, _DISTANCE = 5.0, 12.0, 4.0, 0.8, 100.0, 0.35


def spread(wanted: Sequence[float], *, gap: float, low: float, high: float) -> np.ndarray:
    """Move numbers apart by at least `gap` within [low, high], with the least squared displacement and in their order.

    The order is that of the values (of their places for equal ones). Numbers that need more room than there is keep the
    gap and run over `high`.
    """
    wanted = np.asarray(wanted, dtype=float)
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    # Without the gaps this is isotonic regression: pool neighbours that are out of order into their mean.
    pools: list[tuple[float, int]] = []
    for value in wanted[order] - steps:
        mean, size = float(value), 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        pools.append((mean, size))
    levels = np.repeat([mean for mean, _ in pools], [size for _, size in pools])
    placed = np.empty(len(wanted))
    placed[order] = np.maximum(np.minimum(levels, high - gap * (len(wanted) - 1)), low) + steps
    return placed


def place_names(
    points: np.ndarray, sizes: np.ndarray, *, frame: tuple[float, float, float, float], lines: np.ndarray
) -> np.ndarray:
    """Find a box for the name of every point, near it, clear of the other boxes, of all points and of lines.

    Each name takes the cheapest of its candidate places while the others stay, the most crowded name first, a few rounds
    over. The same input gives the same boxes.

    Args:
        points: (N, 2) in pixels; `sizes`: (N, 2) width and height of each name.
        frame: left, bottom, right, top that no box should leave.
        lines: (M, 2) points sampled on lines that should stay visible.

    Returns:
        Boxes (N, 4): left, bottom, right, top.
    """
    if not len(points):
        return np.empty((0, 4))
    line_height = float(np.median(sizes[:, 1]))
    offsets, prices = _candidates(line_height)
    # No name gets further from its point than this; what lies beyond need not be looked at.
    reach = max(_DISTANCES) * line_height + sizes.max(0)
    near_points = [_near(points, point, 2 * reach) for point in points]
    near_lines = [lines[_near(lines, point, reach)] for point in points]
    options = [_boxes_around(point, size, offsets) for point, size in zip(points, sizes, strict=True)]
    fixed = [
        prices
        + _COVERS_POINT * _count_inside(own, points[around], margin=0.3 * line_height)
        + _COVERS_LINE * _count_inside(own, on_lines, margin=0.1 * line_height)
        + _LEAVES_FRAME * _leaves(own, frame)
        for own, around, on_lines in zip(options, near_points, near_lines, strict=True)
    ]
    neighbours = [around[around != place] for place, around in enumerate(near_points)]
    order = np.argsort([-len(around) for around in near_points], kind="stable")
    return _settle(options, fixed, neighbours, order)


def _settle(
    options: Sequence[np.ndarray], fixed: Sequence[np.ndarray], neighbours: Sequence[np.ndarray], order: Sequence[int]
) -> np.ndarray:
    """Choose one of each name's places, in that order and a few rounds over, until no name would move.

    Args:
        options: boxes (K, 4) for each name; fixed: what each costs (K,), whatever the other names do.
        neighbours: for each name those that it could touch.

    Returns:
        Boxes (N, 4).
    """
    boxes = np.full((len(options), 4), np.inf)
    stale = np.ones(len(options), dtype=bool)
    for _ in range(_ROUNDS):
        for place in order:
            if not stale[place]:
                continue
            stale[place] = False
            cost = fixed[place] + _price_of_names(options[place], boxes[neighbours[place]])
            chosen = options[place][cost.argmin()]
            if not np.array_equal(chosen, boxes[place]):
                boxes[place] = chosen
                # Nothing else can change the choice of a name.
                stale[neighbours[place]] = True
        if not stale.any():
            break
    return boxes


def leaders(points: np.ndarray, boxes: np.ndarray, *, longer_than: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (point, nearest place on its box) for the boxes (N, 4) that are further than that from their point."""
    ends = np.clip(points, boxes[:, :2], boxes[:, 2:])
    far = np.linalg.norm(ends - points, axis=1) > longer_than
    return [(point, end) for point, end, is_far in zip(points, ends, far, strict=True) if is_far]


def _candidates(line_height: float) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets (K, 2) from a point to the near side of its name, and what each costs; to the right is cheapest."""
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    offsets = (line_height * np.array(_DISTANCES)[:, None, None] * rays).reshape(-1, 2)
    prices = _DISTANCE * np.repeat(_DISTANCES, _DIRECTIONS) + 0.05 * np.tile(1 - rays[:, 0], len(_DISTANCES))
    return offsets, prices


def _near(points: np.ndarray, centre: np.ndarray, reach: np.ndarray) -> np.ndarray:
    """Return the indices of the (M, 2) points within `reach` (2,) of the centre, in x and in y."""
    return np.flatnonzero((np.abs(points - centre) <= reach).all(1))


def _boxes_around(point: np.ndarray, size: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Return boxes (K, 4) whose near side, or corner for slanting directions, is at the offsets."""
    rays = offsets / np.linalg.norm(offsets, axis=1, keepdims=True)
    centres = point + offsets + 0.5 * size * np.clip(1.5 * rays, -1, 1)
    return np.concatenate([centres - 0.5 * size, centres + 0.5 * size], axis=1)


def _price_of_names(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return what each of (K, 4) boxes pays for the (N, 4) others that it overlaps; infinite ones are not placed yet."""
    touching = (others[:, :2] < boxes[:, 2:].max(0)).all(1) & (others[:, 2:] > boxes[:, :2].min(0)).all(1)
    others = others[touching]
    width = np.minimum(boxes[:, 2, None], others[:, 2]) - np.maximum(boxes[:, 0, None], others[:, 0])
    height = np.minimum(boxes[:, 3, None], others[:, 3]) - np.maximum(boxes[:, 1, None], others[:, 1])
    shared = np.clip(width, 0, None) * np.clip(height, 0, None)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    return _TOUCHES_NAME * (shared > 0).sum(1) + _COVERS_NAME * shared.sum(1) / areas


def _count_inside(boxes: np.ndarray, points: np.ndarray, *, margin: float) -> np.ndarray:
    """Count for each of (K, 4) boxes the (M, 2) points in it or within `margin` of it."""
    x, y = points.T
    inside = (x > boxes[:, 0, None] - margin) & (x < boxes[:, 2, None] + margin)
    inside &= (y > boxes[:, 1, None] - margin) & (y < boxes[:, 3, None] + margin)
    return inside.sum(1)


def _leaves(boxes: np.ndarray, frame: tuple[float, float, float, float]) -> np.ndarray:
    """Return for each of (K, 4) boxes whether it leaves the frame."""
    left, bottom, right, top = frame
    return (boxes[:, 0] < left) | (boxes[:, 1] < bottom) | (boxes[:, 2] > right) | (boxes[:, 3] > top)
