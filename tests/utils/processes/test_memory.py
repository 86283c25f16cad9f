"""Running out of GPU memory names flags and what they save."""

import pytest
import torch

from utils.flags.parse import parse_config
from utils.processes.memory import out_of_memory

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("flags", "words", "missing"),
    [
        ((), ("a step holds 448 images of 32x32", "--batch-size 32 saves 50%", "--mu 2 saves 29%"), ("mixed",)),
        (("--mu", "1", "--no-amp"), ("192 images", "--batch-size 32 saves 50%", "mixed precision"), ("--mu 0",)),
        (("--batch-size", "1", "--mu", "2"), ("5 images", "--mu 1 saves 40%"), ("--batch-size",)),
        (("--lam-u", "0"), ("64 images", "--batch-size 32 saves 50%"), ("--mu",)),
        (("--lam-u", "0", "--batch-size", "1"), ("1 images", "--im-size"), ("saves",)),
    ],
)
def test_what_it_says(flags, words, missing):
    message = str(out_of_memory(parse_config(["--train-split-pickle", "x.pkl", *flags]), CPU))
    assert all(word in message for word in words)
    assert not any(word in message for word in missing)


@pytest.mark.gpu
def test_on_a_gpu():
    torch.zeros(1 << 20, device="cuda")
    message = str(out_of_memory(parse_config(["--train-split-pickle", "x.pkl"]), torch.device("cuda")))
    assert torch.cuda.get_device_name() in message
    assert "GiB were in use" in message
