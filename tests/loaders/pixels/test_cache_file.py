"""A cache file gives back what was written, and is refused when it says anything that cannot be."""

import json
import os
import re

import numpy as np
import pytest
import torch

from loaders.pixels.cache_file import MAGIC, read_check, read_pixels, write_check, write_pixels
from loaders.pixels.decode_pass import DecodePass
from loaders.pixels.decode_pool import Decoded
from tests.support.sample_images import photo_crops
from utils.errors import SemcoError

SIDE = 16
HEADER = 4096


def _chunks(bad=()):
    """Five images of two sizes, in two chunks; those in `bad` cannot be decoded."""
    images = [*photo_crops(3, SIDE, 20), *photo_crops(2, 24, SIDE)]
    for rows in (range(3), range(3, 5)):
        good = [row for row in rows if row not in bad]
        yield Decoded(
            pixels=bytearray(b"".join(images[row].tobytes() for row in good)),
            shapes=np.array([images[row].shape[:2] if row in good else (0, 0) for row in rows], dtype=np.int32),
            bad={row: f"image {row} cannot be decoded" for row in rows if row in bad},
        )


def _write(path, bad=()):
    images = DecodePass(_chunks(bad))
    write_pixels(path, images, check=lambda _: None)
    return images


def _read(path, *, images=5, short_side=SIDE, load=False):
    return read_pixels(path, images=images, short_side=short_side, load=load)


@pytest.fixture
def path(tmp_path):
    _write(tmp_path / "x.pixels")
    return tmp_path / "x.pixels"


@pytest.mark.parametrize("load", [False, True])
@pytest.mark.parametrize("bad", [(), (1, 4), (0, 1, 2, 3, 4)])
def test_what_was_written_is_read(tmp_path, bad, load):
    images = _write(tmp_path / "x.pixels", bad)
    cached = _read(tmp_path / "x.pixels", load=load)
    expected = b"".join(bytes(chunk.pixels) for chunk in _chunks(bad))
    assert cached.pixels.numpy().tobytes() == expected
    assert cached.pixels.shape == (len(expected) // 3, 3)
    assert np.array_equal(cached.shapes, images.shapes)
    assert (cached.bad, cached.digest) == (images.bad, images.digest)


def _rewrite(path, *, header=None, shapes=None):
    """Change the header of a cache file, or the sizes of its images, but not its length."""
    content = bytearray(path.read_bytes())
    old = json.loads(bytes(content[len(MAGIC) : HEADER]).split(b"\n", 1)[0])
    if shapes is not None:
        start = HEADER + 3 * old["pixels"]
        content[start : start + 8 * old["images"]] = np.array(shapes, dtype="<i4").tobytes()
    new = header(old) if header else old
    head = MAGIC + json.dumps(new).encode() + b"\n"
    content[:HEADER] = head + bytes(HEADER - len(head))
    path.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: [],
        lambda header: {"images": 5},
        lambda header: {**header, "pixels": -1},
        lambda header: {**header, "pixels": 1.5},
        lambda header: {**header, "pixels": 2**62},
        lambda header: {**header, "bad": 2**40},
        lambda header: {**header, "digest": 7},
        lambda header: {**header, "digest": "é" * 64},
        lambda header: {**header, "pixels": header["pixels"] - 8, "images": header["images"] + 3},
        lambda header: {**header, "images": header["images"] - 1, "bad": header["bad"] + 8},
    ],
)
def test_a_header_that_lies_is_refused(path, change):
    _rewrite(path, header=change)
    with pytest.raises(SemcoError, match=r"image cache .*delete it, and it will be rebuilt"):
        _read(path)


GOOD = [(SIDE, 20)] * 3 + [(24, SIDE)] * 2


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([(20, SIDE), *GOOD[1:]], None),
        ([(SIDE - 1, 20), *GOOD[1:]], "short side is not 16"),
        ([(320, 1), *GOOD[1:]], "short side is not 16"),
        ([*GOOD[:4], (12, SIDE)], "short side is not 16"),
        ([*GOOD[:4], (SIDE, SIDE)], "do not add up"),
        ([(-SIDE, -20), *GOOD[1:]], "cannot have"),
        ([(0, 0), *GOOD[1:]], "short side is not 16"),
        ([(2**30, 2**30), *GOOD[1:]], "short side is not 16"),
    ],
)
def test_sizes_that_would_cut_crops_of_other_images_are_refused(path, shapes, words):
    _rewrite(path, shapes=shapes)
    if words is None:
        assert _read(path).shapes.tolist() == [list(pair) for pair in shapes]
        return
    with pytest.raises(SemcoError, match=words):
        _read(path)


def test_other_images_than_asked_for_are_refused(path):
    with pytest.raises(SemcoError, match="holds 5 images, expected 12"):
        _read(path, images=12)
    with pytest.raises(SemcoError, match="short side is not 32 pixels"):
        _read(path, short_side=32)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-7], lambda data: b"x" + data, lambda data: b"", lambda data: data + b"x"]
)
def test_a_file_of_another_length_is_refused(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(SemcoError, match=r"image cache .*delete it"):
        _read(path)


@pytest.mark.parametrize("reasons", [{"7": "x"}, {"1": 2}, [1], {"x": "y"}])
def test_reasons_that_make_no_sense_are_refused(tmp_path, reasons):
    images = DecodePass(_chunks((1,)))
    path = tmp_path / "x.pixels"
    write_pixels(path, images, check=lambda _: images.bad.clear() or images.bad.update({1: "z" * 40}))
    old, new = json.dumps({1: "z" * 40}).encode(), json.dumps(reasons).encode()
    path.write_bytes(path.read_bytes().replace(old, new.ljust(len(old))))
    with pytest.raises(SemcoError, match=r"image cache .*delete it"):
        _read(path)


def test_a_pipe_in_the_place_of_a_cache_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "x.pixels")
    for read in (_read, read_check):
        with pytest.raises(SemcoError, match="regular file"):
            read(tmp_path / "x.pixels")


def test_a_failed_check_leaves_no_file(tmp_path):
    def refuse(bad):
        raise SemcoError(bad[1])

    with pytest.raises(SemcoError, match="image 1"):
        write_pixels(tmp_path / "x.pixels", DecodePass(_chunks((1,))), check=refuse)
    assert list(tmp_path.iterdir()) == []


def test_deleting_a_mapped_cache_keeps_its_pixels(path):
    """What protects a run from SIGBUS: files are never written again in place, and a deleted one stays for its reader."""
    cached = _read(path)
    before = cached.pixels.clone()
    path.unlink()
    _write(path, bad=(0,))
    assert torch.equal(cached.pixels, before)


def test_the_digest_is_that_of_the_images_not_of_the_chunks():
    together = Decoded(
        pixels=bytearray(b"".join(bytes(chunk.pixels) for chunk in _chunks())),
        shapes=np.concatenate([chunk.shapes for chunk in _chunks()]),
        bad={},
    )
    digests = []
    for chunks in (_chunks(), [together]):
        images = DecodePass(chunks)
        assert sum(map(len, images)) == len(together.pixels)
        digests.append(images.digest)
    assert digests[0] == digests[1]
    # The same bytes as images of other sizes are other images.
    turned = DecodePass([Decoded(together.pixels, together.shapes[:, ::-1].copy(), {})])
    list(turned)
    assert turned.digest != digests[0]


def test_what_was_checked_is_read(tmp_path):
    images = DecodePass(_chunks((1, 4)))
    list(images)
    write_check(tmp_path / "x.json", images)
    assert read_check(tmp_path / "x.json") == (images.bad, images.digest, 0)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "{}", '{"bad": {}}', '{"bad": [], "digest": "%s"}' % ("a" * 64), '{"bad": {}, "digest": 3}'],
)
def test_a_damaged_check_is_named(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(SemcoError, match=re.escape("x.json") + ".*delete it"):
        read_check(tmp_path / "x.json")
