"""Crops equal pad-crop-flip done image by image, for ragged sizes, however the pixels are kept."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as tv

from benchmarks.parts import pillow_views as reference
from loaders.pixels.store import FileStore, pack
from loaders.views.plan import CropPlan
from tests.support.sample_images import extreme_images, photo_crops, to_array
from utils.seeding import Draws, Purpose

SHAPES = [(32, 32), (32, 47), (61, 32), (33, 32), (32, 129)]


def _ragged(shapes=SHAPES, each=230):
    images = [image for height, width in shapes for image in photo_crops(each, height, width, seed=height * width)]
    images += list(extreme_images(32, 40)[:100])
    order = np.random.default_rng(0).permutation(len(images))
    return [images[row] for row in order]


def _plan(count: int, images: int) -> CropPlan:
    draws = Draws(7, Purpose.WEAK_VIEW)
    y, x = draws.uniform(count), draws.uniform(count)
    y[:3], x[:3] = (0.0, 0.0, 1 - 2**-53), (0.0, 1 - 2**-53, 1 - 2**-53)
    return CropPlan(
        image=torch.from_numpy(draws.integers(images, count)),
        y=torch.from_numpy(y),
        x=torch.from_numpy(x),
        flip=torch.from_numpy(draws.booleans(count)),
    )


@pytest.mark.parametrize("size", [32, 24])
def test_crops_equal_the_obvious_way(size):
    images = _ragged()
    plan = _plan(1500, len(images))
    ours = to_array(pack(images).crops(plan, size))
    for row in range(len(plan)):
        theirs = reference.crop(
            Image.fromarray(images[plan.image[row]]),
            y=float(plan.y[row]),
            x=float(plan.x[row]),
            flip=bool(plan.flip[row]),
            size=size,
        )
        np.testing.assert_array_equal(ours[row], np.asarray(theirs), err_msg=f"row {row}")


def test_every_place_of_the_padded_image_is_reached():
    image = photo_crops(1, 32, 32)[0]
    y = torch.arange(900, dtype=torch.float64) / 900
    nothing = torch.zeros(900, dtype=torch.float64)
    plan = CropPlan(image=nothing.long(), y=y, x=nothing, flip=nothing.bool())
    assert len(torch.unique(pack([image]).crops(plan, 32).flatten(1), dim=0)) == 9


@pytest.mark.parametrize("size", [32, 24, 31])
def test_centre_crops_equal_torchvision(size):
    images = _ragged(each=20)
    ours = to_array(pack(images).centre_crops(torch.arange(len(images)), size))
    for row, image in enumerate(images):
        np.testing.assert_array_equal(ours[row], np.asarray(tv.center_crop(Image.fromarray(image), [size, size])))


def test_files_give_the_same_bytes_as_memory(tmp_path):
    images = _ragged(each=6)
    paths = []
    for row, image in enumerate(images):
        paths.append(tmp_path / f"{row}.png")
        Image.fromarray(image).save(paths[-1])
    plan = _plan(64, len(images))
    files = FileStore(paths, im_size=32, workers=3)
    store = pack(images)
    assert len(files) == len(store)
    assert torch.equal(files.crops(plan, 32), store.crops(plan, 32))
    rows = torch.tensor([5, 0, 17])
    assert torch.equal(files.centre_crops(rows, 24), store.centre_crops(rows, 24))


def test_crops_never_show_a_neighbours_pixels():
    """Even of images smaller than the padding, which no cache file gives out."""
    images = [
        np.full((height, width, 3), level, np.uint8) for level, (height, width) in enumerate([(3, 2), (1, 9), (2, 2)])
    ]
    store = pack(images)
    plan = _plan(300, len(images))
    expected = plan.image.view(-1, 1, 1, 1).to(torch.uint8)
    assert (store.crops(plan, 8) == expected).all()
    assert (store.centre_crops(plan.image, 8) == expected).all()


@pytest.mark.gpu
def test_cuda_gives_the_same_bytes():
    images = _ragged(each=50)
    plan = _plan(500, len(images))
    store = pack(images)
    assert torch.equal(store.to(torch.device("cuda")).crops(plan, 32).cpu(), store.crops(plan, 32))
