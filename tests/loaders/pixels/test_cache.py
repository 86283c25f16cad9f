"""However the pixels are kept, the crops are the same; caches are found again, and never for other images."""

import dataclasses
import os

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image

from loaders.pixels import cache as pixel_cache
from loaders.pixels import decode_pool
from loaders.pixels.cache import StoreRequest, open_store
from loaders.pixels.store import FileStore, PixelStore
from tests.support.sample_images import photo_crops
from utils.errors import SemcoError
from utils.processes.machine import Machine
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
    monkeypatch.setattr(decode_pool, "decode", lambda *_: pytest.fail("decoded again"))
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


def test_a_damaged_cache_is_named(request_):
    open_store(request_)
    (path,) = request_.cache_folder.glob("*.pixels")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(SemcoError, match=r"image cache .*delete it"):
        open_store(request_)


def _digests(request, **changes) -> set[str]:
    """Open the images as if they were met for the first time, in every mode."""
    return {open_store(dataclasses.replace(request, mode=mode, **changes)).digest for mode in MODES}


def test_all_modes_agree_on_the_digest(request_):
    first = _digests(request_)
    assert len(first) == 1
    assert _digests(request_) == first  # from the cache, and from what was checked before


def test_the_digest_notices_other_pixels_and_swapped_names(request_):
    (first,) = _digests(request_)
    one, other = request_.paths[3], request_.paths[7]
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)
    (swapped,) = _digests(request_)
    Image.fromarray(photo_crops(1, 40, 50, seed=9)[0]).save(one)
    (replaced,) = _digests(request_)
    other.write_bytes(b"no image")
    (damaged,) = _digests(request_)
    assert len({first, swapped, replaced, damaged}) == 4


def test_a_replacement_of_equal_size_and_time_is_decoded_again(request_):
    """BMP files of one size are equally long, and a copy may keep the old time."""
    paths = [path.with_suffix(".bmp") for path in request_.paths]
    for path, image in zip(paths, photo_crops(10, 40, 50), strict=True):
        Image.fromarray(image).save(path)
    request = dataclasses.replace(request_, paths=paths)
    open_store(request)
    before = paths[3].stat()
    Image.new("RGB", (50, 40), "red").save(paths[3])
    os.utime(paths[3], ns=(before.st_atime_ns, before.st_mtime_ns))
    after = paths[3].stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    red = torch.tensor([255, 0, 0]).view(3, 1, 1)
    assert (_views(open_store(dataclasses.replace(request)))[0] == red).all()
    # In place: the same inode too.
    with paths[0].open("r+b") as file:
        file.seek(100)
        file.write(bytes(100))
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert dataclasses.replace(request).cache_file("pixels") != request.cache_file("pixels")


def test_two_datasets_that_look_alike_share_no_cache(request_, tmp_path):
    """Equal folder names, file names, sizes and times, as of two read-only datasets that cache in the user's home."""
    others = []
    for path in request_.paths:
        other = tmp_path / "elsewhere" / "train" / path.name
        other.parent.mkdir(parents=True, exist_ok=True)
        other.write_bytes(bytes(path.stat().st_size))
        os.utime(other, ns=(0, path.stat().st_mtime_ns))
        others.append(other)
    other = dataclasses.replace(request_, paths=others)
    assert other.cache_file("pixels") != request_.cache_file("pixels")


def test_a_link_to_the_folder_finds_the_same_cache(request_, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "train", target_is_directory=True)
    linked = dataclasses.replace(request_, paths=[tmp_path / "link" / path.name for path in request_.paths])
    assert linked.cache_file("pixels") == request_.cache_file("pixels")


def test_a_cache_of_other_images_under_this_name_is_refused(request_):
    """Copied or renamed by hand: what is asked for decides, not the name."""
    few = dataclasses.replace(request_, paths=request_.paths[:6], mode="disk")
    small = dataclasses.replace(request_, im_size=16, mode="disk")
    for other, words in ((few, "holds 6 images, expected 10"), (small, "short side is not 32 pixels")):
        open_store(other)
        other.cache_file("pixels").rename(request_.cache_file("pixels"))
        with pytest.raises(SemcoError, match=words):
            open_store(request_)


def test_caches_of_an_older_format_are_left_alone(request_):
    request_.cache_folder.mkdir()
    old = request_.cache_folder / "0123456789abcdef01234567.pixels"
    old.write_bytes(b"SEMCO-PIXELS-1\n{}")
    assert open_store(request_).bad == {}
    assert old.read_bytes() == b"SEMCO-PIXELS-1\n{}"


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


@pytest.mark.parametrize("mode", MODES)
def test_images_that_are_not_rotated_are_counted(request_, mode):
    for row in (2, 5):
        Image.open(request_.paths[row]).save(
            request_.paths[row], "JPEG", exif=b"Exif\0\0garbage that is no directory at all"
        )
    for _ in range(2):
        opened = open_store(dataclasses.replace(request_, mode=mode))
        assert opened.source.endswith("; 2 of them have a broken EXIF block and are not rotated")
        assert opened.bad == {}


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


def _shared(request, processes=2):
    """As one of several processes on a machine; a dictionary stands for the store that they share."""
    return dataclasses.replace(request, machine=Machine(processes=processes, notes=dist.HashStore()))


def test_several_processes_share_the_mapped_cache(request_):
    """Each would have a copy of its own if it loaded the file."""
    alone = open_store(request_)
    assert alone.source.startswith("in memory, from the cache")
    shared = open_store(_shared(request_))
    assert shared.source.startswith("mapped from the cache")
    assert torch.equal(_views(shared), _views(alone))


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="this system has no memory without a name")
@pytest.mark.parametrize("mode", ["memory", "auto"])
def test_several_processes_share_memory(request_, monkeypatch, mode):
    """Without room for a cache file, one decodes, and the others map what it has decoded."""
    monkeypatch.setattr(pixel_cache, "can_hold", lambda *_: False)
    request = _shared(dataclasses.replace(request_, mode=mode))
    first = open_store(request)
    assert first.source == "in memory that all processes share"
    monkeypatch.setattr(decode_pool, "decode", lambda *_: pytest.fail("decoded again"))
    second = open_store(request)
    assert (second.source, second.digest) == (first.source, first.digest)
    assert torch.equal(_views(first), _views(second))
    assert not request_.cache_folder.exists()


def test_memory_of_a_process_that_cannot_be_seen(request_):
    """In a container of its own, for example."""
    request = _shared(dataclasses.replace(request_, mode="memory"))
    request.machine.notes.set(f"pixels {request.digest} on 0", "/proc/1/no such handle")
    assert open_store(request).source == "in memory"


def test_images_on_the_fly_are_checked_once_for_all(request_, monkeypatch):
    monkeypatch.setattr(pixel_cache, "can_hold", lambda *_: False)
    request_.paths[4].write_bytes(b"no image")
    request = _shared(dataclasses.replace(request_, mode="none"))
    first = open_store(request)
    monkeypatch.setattr(decode_pool, "decode", lambda *_: pytest.fail("decoded again"))
    second = open_store(request)
    assert (second.bad, second.digest) == (first.bad, first.digest)
    assert list(second.bad) == [4]


def test_too_large_for_memory(request_, monkeypatch):
    """All processes of a machine share the pixels, so how many there are does not matter."""
    size = len(request_.paths) * 32**2 * 3 * 1.5
    monkeypatch.setattr(pixel_cache, "can_hold", lambda *_: False)
    monkeypatch.setattr(pixel_cache, "available_memory", lambda: int(1.5 * size / pixel_cache._MEMORY_SHARE))
    assert isinstance(open_store(request_).store, PixelStore)
    assert isinstance(open_store(_shared(request_, 8)).store, PixelStore)
    monkeypatch.setattr(pixel_cache, "available_memory", lambda: int(0.5 * size / pixel_cache._MEMORY_SHARE))
    assert isinstance(open_store(_shared(request_, 8)).store, FileStore)
