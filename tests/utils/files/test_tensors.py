"""Files of tensors: plain data is read, and only arrays of finite numbers pass."""

import pytest
import torch

from tests.bad_inputs.pickles import Calls
from utils.errors import SemcoError
from utils.files.tensors import check_tensors, read_tensors


@pytest.mark.parametrize("new_format", [True, False])
def test_plain_data_is_read(tmp_path, new_format):
    content = {"model": {"w": torch.arange(3.0)}, "names": ["a"], "epoch": 2}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=new_format)
    read = read_tensors(tmp_path / "a.pth", what="file", remedy="mend it")
    assert torch.equal(read["model"]["w"], content["model"]["w"])
    assert (read["names"], read["epoch"]) == (["a"], 2)


def test_what_cannot_be_read_is_named(tmp_path, capsys):
    torch.save(Calls(print, "executed"), tmp_path / "evil.pth")
    (tmp_path / "text.pth").write_text("no tensors")
    for name, words in (
        ("evil.pth", "holds more than tensors"),
        ("text.pth", "damaged"),
        ("gone.pth", "does not exist"),
    ):
        with pytest.raises(SemcoError, match=f"weights .*{words}.*: mend it"):
            read_tensors(tmp_path / name, what="weights", remedy="mend it")
    with pytest.raises(SemcoError, match="is a folder: expected a regular file"):
        read_tensors(tmp_path, what="weights", remedy="mend it")
    assert capsys.readouterr().out == ""


def test_only_finite_numbers_pass(tmp_path):
    good = {"w": torch.ones(2, 2), "n": torch.tensor(3), "half": torch.ones(2, dtype=torch.bfloat16)}
    check_tensors(good, tmp_path, what="weights")
    for value, words in (
        (torch.tensor([1.0, float("nan")]), "odd holds numbers that are not finite"),
        (torch.tensor([float("inf")]), "not finite"),
        (torch.ones(2, dtype=torch.complex64), "no dense array of real numbers .complex64"),
        (torch.eye(2).to_sparse(), "sparse_coo"),
        (torch.ones(2, device="meta"), "meta"),
    ):
        with pytest.raises(SemcoError, match=words):
            check_tensors({**good, "odd": value}, tmp_path, what="weights")
