"""Every strong view equals Pillow's, pixel by pixel."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import pillow_views as reference
from loaders.views.augment import all_operations, cutout, grouped_operations, strong_views
from loaders.views.plan import Op, StrongPlan, draw_strong
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


def test_input_is_left_alone():
    images = to_tensor(photo_crops(64, 32, 32))
    before = images.clone()
    strong_views(images, draw_strong(64, seed=0, epoch=0))
    assert torch.equal(images, before)


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
    assert torch.equal(strong_views(images.cuda(), plan.to("cuda")).cpu(), strong_views(images, plan))


@pytest.mark.parametrize("size", [(32, 32), (28, 41), (1, 5), (84, 84)])
def test_both_ways_to_apply_operations_agree(size):
    """A GPU puts all images through all operations, a CPU each image through its own."""
    count = 10 * len(Op)
    images = torch.randint(0, 256, (count, 3, *size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    ops, negative = torch.arange(count) % len(Op), torch.arange(count) % 3 == 0
    expected = grouped_operations(images.clone(), ops, negative)
    assert torch.equal(all_operations(images, ops, negative), expected)
