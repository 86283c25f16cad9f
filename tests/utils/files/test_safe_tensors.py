"""safetensors files: every type comes back equal, whatever lies about its size is refused by name."""

import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.safe_tensors import encode, save_file
from utils.errors import SemcoError
from utils.files.safe_tensors import read_safe_tensors
from utils.files.tensors import read_tensors

TENSORS = {
    "matrix": torch.randn(2, 3),
    "scalar": torch.tensor(2.5, dtype=torch.float64),
    "half": torch.randn(3).half(),
    "brain": torch.randn(3).bfloat16(),
    "long": torch.tensor([-1, 2**40]),
    "int": torch.tensor([-1], dtype=torch.int32),
    "short": torch.tensor([-1], dtype=torch.int16),
    "small": torch.tensor([-1], dtype=torch.int8),
    "byte": torch.tensor([255], dtype=torch.uint8),
    "flags": torch.tensor([True, False]),
    "nothing": torch.zeros(0, 4),
}


def test_every_type_comes_back(tmp_path):
    save_file(TENSORS, tmp_path / "a.safetensors")
    for path in (tmp_path / "a.safetensors", (tmp_path / "a.safetensors").rename(tmp_path / "a.bin")):
        if not path.exists():
            continue
        read = read_tensors(path, what="file", remedy="fix it")
        assert read.keys() == TENSORS.keys()
        for name, value in TENSORS.items():
            assert read[name].dtype == value.dtype
            assert torch.equal(read[name], value), name


def test_the_format_s_own_package_agrees(tmp_path):
    package = pytest.importorskip("safetensors.torch")
    package.save_file(TENSORS, tmp_path / "a.safetensors")
    read = read_safe_tensors(tmp_path / "a.safetensors")
    save_file(TENSORS, tmp_path / "b.safetensors")
    for name, value in package.load_file(tmp_path / "b.safetensors").items():
        assert torch.equal(value, TENSORS[name])
        assert torch.equal(read[name], value)


def _entry(**changes):
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "header is longer than the file"),
        (b"\0" * 8, "header is longer"),
        ((2**63).to_bytes(8, "little") + b"{}", "header is longer"),
        (encode(b"{"), "no JSON"),
        (encode(b"[" * 100_000), "no JSON"),
        (encode([1]), "no table"),
        (encode({"w": 3}), "w has no type"),
        (encode({"w": {}}), "w has no type"),
        (encode(_entry(), bytes(4)), "w is cut short"),
        (encode(_entry(shape=[3]), bytes(8)), "w is cut short or of another shape"),
        (encode(_entry(shape=[2**47, 2**47]), bytes(8)), "of another shape"),
        (encode(_entry(shape=[-2]), bytes(8)), "w has no type"),
        (encode(_entry(shape=[2.0]), bytes(8)), "w has no type"),
        (encode(_entry(shape=[True, 2]), bytes(8)), "w has no type"),
        (encode(_entry(shape=[1] * 1000), bytes(8)), "w has no type"),
        (encode(_entry(data_offsets=[8, 0]), bytes(8)), "w has no type"),
        (encode(_entry(data_offsets=[-8, 0]), bytes(8)), "w has no type"),
        (encode(_entry(data_offsets=[0, 4, 8]), bytes(8)), "w has no type"),
        (encode(_entry(data_offsets=[0, 2**60]), bytes(8)), "w has no type"),
        (encode(_entry(dtype="F8_E4M3"), bytes(8)), "w is of type F8_E4M3, expected one of F64"),
        (encode(_entry(dtype=["F32"]), bytes(8)), "w has no type"),
    ],
)
def test_damage_is_named(tmp_path, content, words):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(SemcoError, match=r"weights .*a\.safetensors is damaged .*: fix it") as caught:
        read_tensors(path, what="weights", remedy="fix it")
    assert words in str(caught.value)


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "a.safetensors")
    with pytest.raises(SemcoError, match="is a pipe"):
        read_tensors(tmp_path / "a.safetensors", what="weights", remedy="fix it")


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage_is_one_line_or_tensors(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    save_file(TENSORS, path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        read_tensors(path, what="weights", remedy="fix it")
    except SemcoError as error:
        assert "\n" not in str(error)
