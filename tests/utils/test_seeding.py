"""Random streams: keyed by seed, purpose and epoch, and fixed for ever."""

import numpy as np
import pytest

from utils.seeding import Draws, Purpose, resolve_seed


def test_a_known_stream_never_changes():
    assert Draws(123, Purpose.CUTOUT, 7).uniform(3).tolist() == GOLDEN


def test_every_part_of_the_key_matters():
    keys = [(1, Purpose.CUTOUT, 0), (2, Purpose.CUTOUT, 0), (1, Purpose.MODEL, 0), (1, Purpose.CUTOUT, 1)]
    assert len({Draws(*key).uniform(1)[0] for key in keys}) == 4


def test_draws_follow_one_another():
    draws = Draws(5, Purpose.MODEL)
    np.testing.assert_array_equal(
        np.concatenate([draws.uniform(4), draws.uniform(6)]), Draws(5, Purpose.MODEL).uniform(10)
    )


def test_ranges():
    draws = Draws(0, Purpose.MODEL)
    numbers = draws.integers(7, 10_000)
    assert set(numbers.tolist()) == set(range(7))
    uniform = draws.uniform(100, 100)
    assert 0 <= uniform.min() < 0.001
    assert 0.999 < uniform.max() < 1
    assert draws.booleans(10_000).mean() == pytest.approx(0.5, abs=0.02)


def test_a_negative_seed_is_replaced():
    assert resolve_seed(0) == 0
    assert resolve_seed(42) == 42
    fresh = {resolve_seed(-1) for _ in range(5)}
    assert len(fresh) == 5
    assert min(fresh) >= 0


GOLDEN = [0.21674141215351217, 0.09552985310466366, 0.27897199311972587]
