"""Evaluation counts every image once, whatever the batches."""

import contextlib
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from loaders.batches import EvaluationBatch
from models.evaluate import evaluate
from models.label_guessor import LabelGuessor


class _Fixed(nn.Module):
    """Reads its answers off the images."""

    def forward(self, images):
        flat = images.flatten(1)
        return SimpleNamespace(logits=flat[:, :7], embedding=flat[:, 7:12])


@pytest.fixture
def images():
    return torch.randn(23, 1, 1, 12, generator=torch.Generator().manual_seed(0))


def _run(images, labels, size, classes=7, **settings):
    guessor = LabelGuessor(
        torch.randn(classes, 5, generator=torch.Generator().manual_seed(1)), torch.arange(classes), thr_emb=0.5
    )
    batches = [EvaluationBatch(*pair) for pair in zip(images.split(size), labels.split(size), strict=True)]
    figures = evaluate(_Fixed(), guessor, batches, forward=contextlib.nullcontext, **settings)
    return figures, guessor


def test_equals_plain_counting(images):
    labels = torch.arange(23) % 7
    figures, guessor = _run(images, labels, 5)
    logits, embedding = images.flatten(1)[:, :7], images.flatten(1)[:, 7:]
    both = (logits.softmax(1) + guessor.probabilities(embedding)) / 2

    def percent(scores, k):
        return 100 * sum(label in row.topk(k).indices for row, label in zip(scores, labels, strict=True)) / 23

    assert figures["top1"] == pytest.approx(percent(logits, 1))
    assert figures["top5"] == pytest.approx(percent(logits, 5))
    assert figures["top1_emb"] == pytest.approx(percent(guessor.similarities(embedding), 1))
    assert figures["top5_emb"] == pytest.approx(percent(guessor.similarities(embedding), 5))
    assert figures["top1_combined"] == pytest.approx(percent(both, 1))
    assert figures["valid_loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-6)


def test_a_head_that_is_not_trained_is_not_measured(images):
    labels = torch.arange(23) % 7
    both, _ = _run(images, labels, 5)
    alone, _ = _run(images, labels, 5, has_embedding=False)
    assert alone == {name: both[name] for name in ("top1", "top5", "valid_loss")}


def test_batch_size_does_not_matter(images):
    labels = torch.arange(23) % 7
    first, _ = _run(images, labels, 23)
    for size in (1, 4, 22):
        assert _run(images, labels, size)[0] == pytest.approx(first, rel=1e-6)


def test_processes_add_up(images):
    labels = torch.arange(23) % 7
    whole, _ = _run(images, labels, 5)
    counts = []
    for rank in range(2):
        _run(images[rank::2], labels[rank::2], 5, reduce=lambda part: counts.append(part.clone()) or part)
    assert _run(images[::2], labels[::2], 5, reduce=lambda _: counts[0] + counts[1])[0] == pytest.approx(whole)


def test_fewer_classes_than_five():
    images = torch.randn(9, 1, 1, 12)
    guessor = LabelGuessor(torch.randn(2, 10), torch.arange(2), thr_emb=0.5)

    class Two(nn.Module):
        def forward(self, images):
            flat = images.flatten(1)
            return SimpleNamespace(logits=flat[:, :2], embedding=flat[:, 2:])

    figures = evaluate(Two(), guessor, [EvaluationBatch(images, torch.zeros(9).long())], forward=contextlib.nullcontext)
    assert figures["top5"] == figures["top5_emb"] == 100


@pytest.mark.parametrize("processes", [2, 4, 5, 40])
def test_several_processes_count_what_one_counts(images, processes):
    """Each evaluates every so-manieth image; some have fewer, or none."""
    labels, totals = torch.arange(23) % 7, []

    def keep(counts):
        totals.append(counts.clone())
        return torch.ones_like(counts)

    for rank in range(processes):
        share = slice(rank, None, processes)
        _run(images[share], labels[share], 4, reduce=keep)
    together, alone = _run(images, labels, 4, reduce=lambda _: sum(totals))[0], _run(images, labels, 4)[0]
    assert together.pop("valid_loss") == pytest.approx(alone.pop("valid_loss"), rel=1e-6)
    assert together == alone
