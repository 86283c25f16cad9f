"""The learning rate of every step."""

import math

import pytest

from utils.schedule import cosine_learning_rate


def test_values():
    assert cosine_learning_rate(0, total_steps=1000, base=0.03) == 0.03
    assert cosine_learning_rate(1000, total_steps=1000, base=1.0) == pytest.approx(0.19509032, abs=1e-8)
    assert cosine_learning_rate(500, total_steps=1000, base=2.0) == pytest.approx(2 * math.cos(7 * math.pi / 32))


def test_it_only_falls():
    rates = [cosine_learning_rate(step, total_steps=50, base=0.1) for step in range(51)]
    assert rates == sorted(rates, reverse=True)
