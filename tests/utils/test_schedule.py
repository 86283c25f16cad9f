"""The learning rate of every step, and the averages that suit a run's length."""

import math

import pytest

from utils.schedule import auto_bn_momentum, auto_ema_alpha, cosine_learning_rate


def test_values():
    assert cosine_learning_rate(0, total_steps=1000, base=0.03) == 0.03
    assert cosine_learning_rate(1000, total_steps=1000, base=1.0) == pytest.approx(0.19509032, abs=1e-8)
    assert cosine_learning_rate(500, total_steps=1000, base=2.0) == pytest.approx(2 * math.cos(7 * math.pi / 32))


def test_it_only_falls():
    rates = [cosine_learning_rate(step, total_steps=50, base=0.1) for step in range(51)]
    assert rates == sorted(rates, reverse=True)


PAPERS_LENGTH = 300 * 65536 // 64


@pytest.mark.parametrize(
    ("steps", "ema_alpha", "bn_momentum"),
    [
        (1, 0.0, 0.1), (100, 0.9, 0.1), (1000, 0.99, 0.05), (4000, 0.9975, 0.0125), (10_000, 0.999, 0.005),
        (50_000, 0.999, 0.001), (PAPERS_LENGTH, 0.999, 0.001),
    ],
)  # fmt: skip
def test_averages_that_suit_the_length(steps, ema_alpha, bn_momentum):
    assert auto_ema_alpha(steps) == pytest.approx(ema_alpha)
    assert auto_bn_momentum(steps) == pytest.approx(bn_momentum)


def test_at_the_papers_length_they_are_its_numbers_to_the_last_bit():
    assert (auto_ema_alpha(PAPERS_LENGTH), auto_bn_momentum(PAPERS_LENGTH)) == (0.999, 0.001)
