"""The embedding head's guesses, against the formulas written out for one image at a time."""

import numpy as np
import pytest
import torch

from models.label_guessor import LabelGuessor


def _obvious(z, vectors, groups, threshold):
    """Nassar et al. 2021, one embedding, in float64."""
    cosines = np.array([z @ e / np.linalg.norm(z) / np.linalg.norm(e) for e in vectors])
    scores = {group: cosines[groups == group].mean() for group in set(groups.tolist())}
    best = max(scores, key=scores.get)
    weights = np.exp(cosines) * (groups == best)
    weights /= weights.sum()
    return weights @ vectors, scores[best] >= threshold, scores[best], weights.argmax()


CASES = {
    "groups": (12, np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 6, 7])),
    "each its own": (9, np.arange(9)),
    "all in one": (6, np.zeros(6, dtype=np.int64)),
    "two classes": (2, np.arange(2)),
    "a thousand": (1000, np.arange(1000) // 3),
}


@pytest.mark.parametrize("name", CASES)
def test_equals_the_formulas(name):
    count, groups = CASES[name]
    rng = np.random.default_rng(0)
    vectors = rng.normal(0.4, 1, size=(count, 16)).astype(np.float32)
    z = rng.normal(0.4, 1, size=(20, 16)).astype(np.float32)
    guessor = LabelGuessor(torch.from_numpy(vectors), torch.from_numpy(groups), thr_emb=0.5)
    guess = guessor(torch.from_numpy(z))
    for row in range(len(z)):
        target, mask, score, hint = _obvious(z[row].astype(np.float64), vectors.astype(np.float64), groups, 0.5)
        np.testing.assert_allclose(guess.target[row], target, atol=2e-5)
        assert guess.mask[row].item() == mask
        assert guess.score[row].item() == pytest.approx(score, abs=1e-6)
        assert guess.hint[row].item() == hint
    probabilities = guessor.probabilities(torch.from_numpy(z))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(20))
    assert probabilities.argmax(1).tolist() == guessor.similarities(torch.from_numpy(z)).argmax(1).tolist()


def test_low_precision_input_is_computed_in_float32():
    guessor = LabelGuessor(torch.randn(8, 16), torch.arange(8), thr_emb=0.1)
    z = torch.randn(32, 16).bfloat16()
    plain = guessor(z.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = guessor(z)
        probabilities = guessor.probabilities(z)
    for one, two in zip(plain, mixed, strict=True):
        assert torch.equal(one, two)
    assert torch.equal(probabilities, guessor.probabilities(z.float()))


def test_vectors_are_no_parameters():
    guessor = LabelGuessor(torch.randn(3, 4), torch.arange(3), thr_emb=0.7)
    assert list(guessor.parameters()) == []
    assert not guessor(torch.randn(2, 4, requires_grad=True).detach()).target.requires_grad
