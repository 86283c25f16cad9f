"""Every strong view equals Pillow's, pixel by pixel."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.parts import pillow_views as reference
from loaders.views.augment import cutout, strong_views
from loaders.views.augment_sorted import apply_sorted
from loaders.views.plan import Op, StrongPlan, draw_strong
from loaders.views.sorted_rows import sort_rows
from loaders.views.warp import WARPS
from tests.support.sample_images import extreme_images, photo_crops, to_array, to_tensor

SIZES = [32, 84, 33]


def _images(size: int) -> np.ndarray:
    return np.concatenate([photo_crops(400 if size == 84 else 1000, size, size), extreme_images(size, size)])


@pytest.fixture(scope="module", params=SIZES)
def images(request) -> np.ndarray:
    return _images(request.param)


def _plan_of(op: Op, negative: bool, count: int) -> StrongPlan:
    """Apply one operation, and a Cutout whose centre lies at the origin, which Cutout alone is tested for."""
    ops = torch.zeros(count, 2, dtype=torch.uint8)
    ops[:, 0] = int(op)
    return StrongPlan(
        ops=ops, negative=torch.full((count, 2), negative), centre=torch.zeros(count, 2, dtype=torch.float64)
    )


@pytest.mark.parametrize(
    ("op", "negative"), [(op, sign) for op in Op for sign in ((False, True) if op in WARPS else (False,))]
)
def test_each_operation_equals_pillow(images, op, negative):
    ours = to_array(strong_views(to_tensor(images), _plan_of(op, negative, len(images))))
    theirs = np.stack(
        [
            np.asarray(reference.cutout(reference.apply_op(Image.fromarray(image), op, negative=negative), r1=0, r2=0))
            for image in images
        ]
    )
    assert (ours != theirs).sum() == 0


def test_whole_strong_view_equals_pillow_row_by_row(images):
    plan = draw_strong(len(images), seed=5, epoch=3)
    ours = to_array(strong_views(to_tensor(images), plan))
    for row, image in enumerate(images):
        theirs = reference.strong_view(Image.fromarray(image), plan.ops[row], plan.negative[row], plan.centre[row])
        np.testing.assert_array_equal(ours[row], np.asarray(theirs), err_msg=f"row {row}, ops {plan.ops[row]}")


def test_views_are_made_in_place_and_nothing_beside_them_changes():
    batch = to_tensor(photo_crops(64, 32, 32))
    before, plan = batch.clone(), draw_strong(48, seed=0, epoch=0)
    views = strong_views(batch[16:], plan)
    assert views.data_ptr() == batch[16:].data_ptr()
    assert torch.equal(batch[:16], before[:16])
    assert torch.equal(views, strong_views(before[16:].clone(), plan))


@pytest.mark.parametrize("size", [8, 9, 32])
def test_cutout_covers_a_clipped_square(size):
    corners = torch.tensor([[0.0, 0.0], [0.999999, 0.0], [0.5, 0.5], [0.0, 0.999999]], dtype=torch.float64)
    views = cutout(torch.zeros(4, 3, size, size, dtype=torch.uint8), corners)
    half = size // 4
    grey = (views == 128).all(1)
    assert grey[0].sum() == half * half
    assert grey[1].sum() == (half + 1) * half
    assert grey[2].sum() == (2 * half) ** 2
    assert grey[2, size // 2 - half, size // 2 - half]
    assert not grey[2, size // 2 + half, size // 2]
    assert grey[3, 0, size - 1]


@pytest.mark.gpu
def test_cuda_equals_cpu():
    images = to_tensor(_images(32))
    plan = draw_strong(len(images), seed=5, epoch=0)
    assert torch.equal(strong_views(images.cuda(), plan).cpu(), strong_views(images, plan))


def _sorted_views(images: torch.Tensor, plan: StrongPlan) -> torch.Tensor:
    """Compute on the CPU what a GPU is asked to do."""
    return apply_sorted(images.clone(), sort_rows(plan, *images.shape[2:]).to(torch.device("cpu")))


@pytest.mark.parametrize(
    ("op", "negative"), [(op, sign) for op in Op for sign in ((False, True) if op in WARPS else (False,))]
)
def test_sorted_rows_equal_pillow_too(images, op, negative):
    """Both ways agree with Pillow: every operation alone, in a batch of nothing else."""
    given, plan = to_tensor(images), _plan_of(op, negative, len(images))
    assert torch.equal(_sorted_views(given, plan), strong_views(given.clone(), plan))


@pytest.mark.parametrize("size", [(32, 32), (28, 41), (1, 5), (5, 1), (2, 2), (84, 84)])
def test_both_ways_to_apply_operations_agree(size):
    """A GPU's rows are sorted by the host and share tables; a CPU goes operation by operation."""
    count = 10 * len(Op)
    images = torch.randint(0, 256, (count, 3, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    images[::7] //= 8  # histograms with few levels
    plan = draw_strong(count, seed=2, epoch=1)
    ops = torch.stack([torch.arange(count) % len(Op), (5 * torch.arange(count) + 1) % len(Op)], dim=1)
    for chosen in (plan, dataclasses.replace(plan, ops=ops.to(torch.uint8))):
        assert torch.equal(_sorted_views(images, chosen), strong_views(images.clone(), chosen))


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_turns_without_rows(rows):
    """Steps where no image, or a single one, is changed."""
    images = torch.randint(0, 256, (rows, 3, 9, 9), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for op in (Op.IDENTITY, Op.SOLARIZE, Op.CONTRAST, Op.ROTATE):
        plan = _plan_of(op, False, rows)
        assert torch.equal(_sorted_views(images, plan), strong_views(images.clone(), plan))


def test_every_pair_of_levels_has_its_autocontrast():
    """The bank of tables holds them all; each is compared with Pillow by an image of these two levels."""
    pairs = torch.tensor([(low, high) for low in range(0, 256, 3) for high in range(low, 256, 3)], dtype=torch.uint8)
    middle = pairs.float().mean(1).to(torch.uint8)
    images = torch.stack([pairs[:, 0], middle, pairs[:, 1]], 1)[:, None, None].repeat(1, 3, 1, 1)
    plan = _plan_of(Op.AUTOCONTRAST, False, len(images))
    plan = dataclasses.replace(plan, centre=torch.full((len(images), 2), 0.999))
    theirs = [
        np.asarray(reference.apply_op(Image.fromarray(image), Op.AUTOCONTRAST, negative=False))
        for image in to_array(images)
    ]
    assert (to_array(_sorted_views(images, plan)) == np.stack(theirs)).all()
