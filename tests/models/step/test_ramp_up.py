"""The reliability of pseudo-labels: agreement of the heads beyond chance, and the weights that follow from it."""

import pytest
import torch
from sklearn.metrics import cohen_kappa_score

from models.step.ramp_up import RampUp

C = 5


def _ramp(*, lam_u=1.0, lambda_emb=3.0, reduce=lambda values: values, world_size=1):
    return RampUp(C, lam_u=lam_u, lambda_emb=lambda_emb, reduce=reduce, world_size=world_size)


def _labels(seed, *, agree):
    generator = torch.Generator().manual_seed(seed)
    one, other = torch.randint(0, C, (2, 200), generator=generator)
    return one, torch.where(torch.rand(200, generator=generator) < agree, one, other)


def _weights(ramp):
    return [float(weight) for weight in ramp.weights()]


def test_it_is_the_agreement_beyond_chance():
    ramp, (one, other) = _ramp(), _labels(0, agree=0.6)
    for _ in range(3000):
        ramp.update(one, other)
    assert float(ramp.reliability()) == pytest.approx(cohen_kappa_score(one, other), abs=1e-4)
    assert 0.4 < float(ramp.reliability()) < 0.8


def test_each_step_counts_a_hundredth_less_than_the_next():
    ramp, batches = _ramp(), [_labels(seed, agree=0.3 + 0.1 * seed) for seed in range(4)]
    for one, other in batches:
        ramp.update(one, other)
    weight = torch.tensor([0.99**age for age in (3, 2, 1, 0)])
    weight = weight / weight.sum()
    agreement = float(weight @ torch.stack([(one == other).float().mean() for one, other in batches]))
    by_class, by_embedding = (
        weight @ torch.stack([labels.bincount(minlength=C) / 200 for labels in head])
        for head in zip(*batches, strict=True)
    )
    chance = float(by_class @ by_embedding)
    expected = (1 - 0.99**4) * (agreement - chance) / (1 - chance)
    assert float(ramp.reliability()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("steps", [1, 10, 100, 3000])
def test_heads_that_always_say_the_same_prove_nothing(steps):
    ramp, same = _ramp(), torch.full((50,), 2)
    for _ in range(steps):
        ramp.update(same, same)
    assert float(ramp.agreement) == pytest.approx(1 - 0.99**steps, abs=1e-4)
    assert float(ramp.reliability()) == 0


def test_heads_that_contradict_each_other_are_not_below_nothing():
    ramp, (one, _) = _ramp(), _labels(0, agree=1)
    for _ in range(50):
        ramp.update(one, (one + 1) % C)
    assert float(ramp.reliability()) == 0


@pytest.mark.parametrize(("lambda_emb", "first"), [(3.0, 1.0), (0.5, 0.5), (1.0, 1.0)])
def test_weights_grow_to_the_methods(lambda_emb, first):
    ramp = _ramp(lam_u=0.7, lambda_emb=lambda_emb)
    assert _weights(ramp) == pytest.approx([0, first])
    one, _ = _labels(0, agree=1)
    for _ in range(20):
        ramp.update(one, one)
    between = _weights(ramp)
    assert 0 < between[0] < 0.7
    assert first <= between[1] <= lambda_emb
    for _ in range(3000):
        ramp.update(one, one)
    assert _weights(ramp) == pytest.approx([0.7, lambda_emb], rel=1e-3)


def test_all_processes_find_the_same():
    one, other = _labels(0, agree=0.5)
    alone, shares = _ramp(), []
    alone.update(one, other)
    spies = [_ramp(reduce=lambda values: shares.append(values.clone()) or values) for _ in range(2)]
    for spy, half in zip(spies, (slice(0, 100), slice(100, 200)), strict=True):
        spy.update(one[half], other[half])
    both = _ramp(reduce=lambda values: sum(shares), world_size=2)
    both.update(one[:100], other[:100])
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(both.state_dict()[name], value)
