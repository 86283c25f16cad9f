"""The table of published figures is whole, and names its sources."""

import pytest

from utils.errors import SemcoError
from utils.records.published import PUBLISHED, find_published, read_published


def test_the_projects_own_table():
    figures = read_published()
    assert all(figure.source and 0 < figure.accuracy < 100 and figure.labels > 0 for figure in figures)
    (semco,) = [one for one in find_published(figures, dataset="cifar100", labels=10000) if one.method == "SemCo"]
    assert (semco.accuracy, semco.spread, semco.mu, semco.backbone) == (75.55, 0.12, "7", "")
    assert [one.accuracy for one in find_published(figures, dataset="mini-imagenet", labels=4000)] == [53.99, 50.54]
    by_method = {one.method: one.accuracy for one in find_published(figures, dataset="cifar100", labels=2500)}
    assert by_method["FixMatch"] == 65.71
    assert by_method["SimMatch"] == 67.46
    assert len({(one.method, one.dataset, one.labels, one.mu, one.source) for one in figures}) == len(figures)


def test_a_subset_is_another_dataset():
    assert find_published(read_published(), dataset="cifar100_subset", labels=2500) == []
    assert find_published(read_published(), dataset="cifar100", labels=2501) == []


def test_a_damaged_line_is_named(tmp_path):
    lines = PUBLISHED.read_text(encoding="utf-8").splitlines()
    for place, (old, new) in {1: ("error", "mistakes"), 3: ("53.99", "many")}.items():
        damaged = [*lines]
        damaged[place] = damaged[place].replace(old, new)
        (tmp_path / "published.csv").write_text("\n".join(damaged))
        with pytest.raises(SemcoError, match=rf"published\.csv, line {place + 1} is damaged"):
            read_published(tmp_path / "published.csv")
