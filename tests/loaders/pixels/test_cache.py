"""However the pixels are kept, the crops are the same; caches are found again and never trusted blindly."""

import dataclasses
import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from loaders.pixels import cache as pixel_cache
from loaders.pixels import decode_pool
from loaders.pixels.cache import StoreRequest, open_store
from loaders.pixels.store import FileStore, PixelStore
from tests.support.sample_images import photo_crops
from utils.errors import SemcoError
from utils.progress import Progress

MODES = ("auto", "memory", "disk", "none")
ROWS = torch.tensor([3, 0, 9])


@pytest.fixture
def request_(tmp_path) -> StoreRequest:
    folder = tmp_path / "train"
    folder.mkdir()
    paths = []
    for row, image in enumerate(photo_crops(10, 40, 50)):
        paths.append(folder / f"{row}.png")
        Image.fromarray(image).save(paths[-1])
    return StoreRequest(
        paths=paths,
        im_size=32,
        mode="auto",
        workers=1,
        cache_folder=tmp_path / ".cache",
        progress=Progress(enabled=False),
    )


def _views(opened):
    return opened.store.centre_crops(ROWS, 32)


def test_all_modes_give_the_same_pixels(request_):
    modes = {mode: open_store(dataclasses.replace(request_, mode=mode)) for mode in MODES}
    assert isinstance(modes["none"].store, FileStore)
    for mode in ("auto", "memory", "disk"):
        assert isinstance(modes[mode].store, PixelStore)
        assert torch.equal(_views(modes[mode]), _views(modes["none"]))


def test_memory_writes_no_file(request_):
    open_store(dataclasses.replace(request_, mode="memory"))
    assert not request_.cache_folder.exists()


def test_second_start_decodes_nothing(request_, monkeypatch):
    first = _views(open_store(request_))
    monkeypatch.setattr(decode_pool, "decode_image", lambda *_: pytest.fail("decoded again"))
    second = open_store(request_)
    assert "from the cache" in second.source
    assert torch.equal(_views(second), first)


def test_a_changed_image_is_decoded_again(request_):
    open_store(request_)
    Image.new("RGB", (40, 40), "red").save(request_.paths[3])
    os.utime(request_.paths[3], ns=(1, 1))
    assert (_views(open_store(dataclasses.replace(request_)))[0] == torch.tensor([255, 0, 0]).view(3, 1, 1)).all()
    assert len(list(request_.cache_folder.glob("*.pixels"))) == 2


def test_another_size_or_order_is_another_cache(request_):
    others = dataclasses.replace(request_, im_size=33), dataclasses.replace(request_, paths=request_.paths[::-1])
    assert len({request.cache_file("pixels") for request in (request_, *others)}) == 3


@pytest.mark.parametrize("damage", [lambda data: data[:-7], lambda data: b"x" + data, lambda data: b""])
def test_a_damaged_cache_is_named(request_, damage):
    open_store(request_)
    (path,) = request_.cache_folder.glob("*.pixels")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SemcoError, match=r"image cache .*delete it"):
        open_store(request_)


@pytest.mark.parametrize("mode", ["memory", "disk", "auto"])
def test_bad_images_are_reported_by_position(request_, mode):
    good = _views(open_store(dataclasses.replace(request_, mode="none")))
    request_.paths[4].write_bytes(b"no image")
    request_.paths[7].write_bytes(b"")
    for _ in range(2):
        opened = open_store(dataclasses.replace(request_, mode=mode))
        assert sorted(opened.bad) == [4, 7]
        assert "4.png cannot be decoded" in opened.bad[4]
        assert torch.equal(_views(opened), good)
        assert opened.store.centre_crops(torch.tensor([8]), 32).float().std() > 1


def test_missing_image(request_):
    request_.paths[2].unlink()
    with pytest.raises(SemcoError, match=r"2\.png cannot be read"):
        open_store(request_)


def test_processes_decode_in_order(request_, monkeypatch):
    monkeypatch.setattr(decode_pool, "_WORTH_PROCESSES", 1)
    monkeypatch.setattr(decode_pool, "_CHUNK", 3)
    alone = _views(open_store(dataclasses.replace(request_, mode="memory")))
    together = open_store(dataclasses.replace(request_, mode="memory", workers=2))
    assert torch.equal(_views(together), alone)
    assert np.array_equal(together.store.heights, np.full(10, 32))


def test_auto_falls_back_when_nothing_holds_the_pixels(request_, monkeypatch):
    monkeypatch.setattr(pixel_cache, "available_memory", lambda: 0)
    monkeypatch.setattr(pixel_cache, "can_hold", lambda *_: False)
    assert isinstance(open_store(request_).store, FileStore)


def _rewrite(path, change):
    """Change the header of a cache file, and what follows it, but not its length."""
    content = path.read_bytes()
    header = json.loads(content[len(pixel_cache._MAGIC) : 4096].split(b"\n", 1)[0])
    head = pixel_cache._MAGIC + json.dumps(change(header)).encode() + b"\n"
    path.write_bytes(head + bytes(4096 - len(head)) + content[4096:])


@pytest.mark.parametrize(
    "change",
    [
        lambda header: [],
        lambda header: {"images": 10},
        lambda header: {**header, "pixels": -1},
        lambda header: {**header, "pixels": 1.5},
        lambda header: {**header, "pixels": header["pixels"] - 8, "images": header["images"] + 3},
    ],
)
def test_a_cache_that_lies_is_refused(request_, change):
    """Sizes that do not fit the pixels would make crops of other memory."""
    open_store(request_)
    (path,) = request_.cache_folder.glob("*.pixels")
    _rewrite(path, change)
    with pytest.raises(SemcoError, match=r"image cache .*delete it"):
        open_store(request_)


@pytest.mark.parametrize("mode", MODES)
def test_needed_images_must_be_whole_and_leave_nothing(request_, mode):
    for row in (4, 7):
        request_.paths[row].write_bytes(b"no image")
    for needed, words in (({1, 4, 7}, r"4\.png .*\(and 1 more\)"), ({7}, r"7\.png .*skip-bad-images$")):
        with pytest.raises(SemcoError, match=words):
            open_store(dataclasses.replace(request_, mode=mode, needed=frozenset(needed)))
        assert not request_.cache_folder.exists()
    assert sorted(open_store(dataclasses.replace(request_, mode=mode, needed=frozenset({1, 2}))).bad) == [4, 7]
    with pytest.raises(SemcoError, match=r"4\.png"):
        open_store(dataclasses.replace(request_, mode=mode, needed=frozenset({4})))
