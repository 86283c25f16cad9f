"""Batches hold what the plan says, normalised, in the order labelled, weak, strong."""

import contextlib

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.parts import pillow_views as reference
from loaders.batches import EvaluationBatches, Normalise, TrainBatches, TrainingPool, _on_its_own_stream
from loaders.pixels.statistics import PixelStatistics
from loaders.pixels.store import FileStore, pack
from loaders.views.plan import BatchShape, draw_epoch
from tests.support.sample_images import photo_crops
from utils.errors import SemcoError

CPU = torch.device("cpu")
STATISTICS = PixelStatistics((0.5, 0.4, 0.3), (0.2, 0.25, 0.3), "test")
SHAPE = BatchShape(steps=4, labelled=4, unlabelled=12)
IMAGES = photo_crops(30, 32, 40)
LABELLED = torch.tensor([4, 9, 2, 21, 28])
UNLABELLED = torch.tensor([row for row in range(30) if row not in LABELLED.tolist()])
LABELS = torch.tensor([0, 1, 2, 3, 4])


def _batches(store=None, rank=0, world_size=1):
    pool = TrainingPool(store=store or pack(IMAGES), labelled=LABELLED, unlabelled=UNLABELLED, labels=LABELS)
    normalise = Normalise(STATISTICS, CPU)
    return TrainBatches(pool, cropsize=32, normalise=normalise, device=CPU, rank=rank, world_size=world_size)


def _plan(shape=SHAPE):
    return draw_epoch(seed=3, epoch=1, num_labelled=len(LABELLED), num_unlabelled=len(UNLABELLED), shape=shape)


def _expected(step):
    def weak(pool, plan, row):
        image = Image.fromarray(IMAGES[pool[plan.image[row]]])
        return reference.crop(image, y=float(plan.y[row]), x=float(plan.x[row]), flip=bool(plan.flip[row]), size=32)

    views = [weak(LABELLED, step.labelled, row) for row in range(4)]
    views += [weak(UNLABELLED, step.weak, row) for row in range(12)]
    for row in range(12):
        start = weak(UNLABELLED, step.strong, row)
        plan = step.augment
        views.append(reference.strong_view(start, plan.ops[row], plan.negative[row], plan.centre[row]))
    return np.stack([np.asarray(view) for view in views])


def test_a_batch_is_what_pillow_makes_of_the_plan():
    plan = _plan()
    for number, batch in enumerate(_batches().epoch(plan)):
        step = plan.step(number)
        levels = _expected(step).astype(np.float64) / 255
        expected = (levels - np.array(STATISTICS.mean)) / np.array(STATISTICS.std)
        np.testing.assert_allclose(batch.images.permute(0, 2, 3, 1).numpy(), expected, atol=2e-6)
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(batch.labels, LABELS[step.labelled.image])
    assert number == 3


def test_an_epoch_can_begin_at_any_step():
    whole = list(_batches().epoch(_plan()))
    rest = list(_batches().epoch(_plan(), first_step=2))
    assert len(rest) == 2
    assert all(torch.equal(one.images, two.images) for one, two in zip(whole[2:], rest, strict=True))


def test_files_give_the_same_batches(tmp_path):
    paths = []
    for row, image in enumerate(IMAGES):
        paths.append(tmp_path / f"{row}.png")
        Image.fromarray(image).save(paths[-1])
    on_the_fly = _batches(FileStore(paths, im_size=32, workers=2)).epoch(_plan())
    assert all(
        torch.equal(one.images, two.images) for one, two in zip(on_the_fly, _batches().epoch(_plan()), strict=True)
    )


def test_processes_share_a_batch():
    (whole, *_) = _batches().epoch(_plan())
    parts = [next(iter(_batches(rank=rank, world_size=2).epoch(_plan()))) for rank in range(2)]
    assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
    assert torch.equal(torch.cat([part.images[:2] for part in parts]), whole.images[:4])
    assert torch.equal(torch.cat([part.images[8:] for part in parts]), whole.images[16:])


def test_labelled_only():
    batch = next(iter(_batches().epoch(_plan(BatchShape(steps=2, labelled=4, unlabelled=0)))))
    assert batch.images.shape == (4, 3, 32, 32)


def test_a_thread_hands_its_error_over(tmp_path):
    store = FileStore([tmp_path / "gone.png"] * 30, im_size=32, workers=2)
    with pytest.raises(SemcoError, match="gone.png does not exist"):
        list(_batches(store).epoch(_plan()))


def test_a_thread_ends_when_nobody_listens(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(IMAGES[0]).save(path)
    batches = _batches(FileStore([path] * 30, im_size=32, workers=2)).epoch(_plan())
    next(batches)
    batches.close()


def test_evaluation_goes_through_all_images_in_order():
    rows = torch.tensor([7, 3, 29, 0, 11])
    batches = EvaluationBatches(
        store=pack(IMAGES),
        rows=rows,
        labels=rows * 2,
        cropsize=32,
        batch_size=2,
        normalise=Normalise(STATISTICS, CPU),
        device=CPU,
    )
    for _ in range(2):
        parts = list(batches)
        assert [len(part) for part in parts] == [2, 2, 1]
        assert torch.equal(torch.cat([part.labels for part in parts]), rows * 2)
    levels = torch.cat([part.images for part in parts]).permute(0, 2, 3, 1).numpy()
    cut = IMAGES[rows][:, :, 4:36] / 255.0
    np.testing.assert_allclose(levels, (cut - STATISTICS.mean) / STATISTICS.std, atol=2e-6)


def test_a_gpus_batches_are_made_one_ahead_on_a_stream_of_their_own(monkeypatch):
    """With stand-ins for streams: what is ordered before what, so that no batch is overwritten while a step reads it."""
    order = []

    class Stream:
        def __init__(self, name="own"):
            self.name = name

        def wait_stream(self, other):
            order.append(f"{self.name} waits for {other.name}")

        def wait_event(self, event):
            order.append(f"{self.name} waits for batch {event}")

        def record_event(self):
            return sum(entry.startswith("make") for entry in order) - 1

    main, used = Stream("main"), []

    @contextlib.contextmanager
    def use(stream):
        used.append(stream)
        yield
        used.pop()

    monkeypatch.setattr(torch.cuda, "Stream", lambda _: Stream())
    monkeypatch.setattr(torch.cuda, "stream", use)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda _: main)

    def make():
        for number in range(3):
            assert used[-1].name == "own"
            order.append(f"make {number}")
            yield number

    for number in _on_its_own_stream(make(), torch.device("cuda")):
        assert not used
        order.append(f"step {number}")
    ahead = "own waits for main"
    assert order == [
        *(ahead, "make 0", ahead, "make 1", "main waits for batch 0", "step 0"),
        *(ahead, "make 2", "main waits for batch 1", "step 1"),
        *(ahead, "main waits for batch 2", "step 2"),
    ]
