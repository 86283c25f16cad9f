import numpy as np
import pytest
import torch

from loaders.batches import EvaluationBatches, Normalise
from loaders.photos.views import photo_batches
from loaders.pixels.decode import decode_image
from loaders.pixels.statistics import IMAGENET
from loaders.pixels.store import pack
from tests.support.short_runs import save_photo


@pytest.fixture
def paths(tmp_path):
    found = [tmp_path / f"{n:03d}.png" for n in range(150)]
    for n, path in enumerate(found):
        save_photo(path, seed=n, size=(20 + n % 7, 24 - n % 5))
    for n in (0, 3, 140):
        found[n].write_bytes(b"broken")
    return found


@pytest.mark.parametrize("batch_size", [1, 7, 128, 1000])
def test_every_photograph_is_in_one_batch_and_bad_ones_are_named(paths, batch_size):
    batches = list(photo_batches(paths, im_size=16, cropsize=12, batch_size=batch_size, workers=0))
    assert [len(batch) for batch in batches[:-1]] == [batch_size] * (len(batches) - 1)
    assert [batch.start for batch in batches] == list(range(0, 150, batch_size))
    bad = {place: reason for batch in batches for place, reason in batch.bad.items()}
    assert sorted(bad) == [0, 3, 140]
    assert all(str(paths[place]) in reason for place, reason in bad.items())
    good = np.concatenate([batch.is_good for batch in batches])
    assert np.flatnonzero(~good).tolist() == [0, 3, 140]
    assert sum(len(batch.views) for batch in batches) == 147


def test_views_are_the_evaluations_own_bits(paths):
    good = [path for n, path in enumerate(paths) if n not in (0, 3, 140)]
    store = pack([decode_image(path, 16) for path in good])
    normalise = Normalise(IMAGENET, torch.device("cpu"))
    rows = torch.arange(len(good))
    expected = EvaluationBatches(
        store=store, rows=rows, labels=rows, cropsize=12, batch_size=64, normalise=normalise, device=torch.device("cpu")
    )
    views = torch.cat([b.views for b in photo_batches(paths, im_size=16, cropsize=12, batch_size=64, workers=0)])
    assert torch.equal(normalise(views), torch.cat([batch.images for batch in expected]))


def test_nothing_decodable_gives_empty_batches(tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    (batch,) = photo_batches([tmp_path / "a.png"], im_size=16, cropsize=12, batch_size=4, workers=0)
    assert batch.views.shape == (0, 3, 12, 12)
    assert len(batch) == 1
