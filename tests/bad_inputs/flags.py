"""Flags: unknown, without a value, of the wrong kind, out of range, contradictory; files of flags."""

import os
from pathlib import Path

from tests.bad_inputs.case import BadInput, with_file, with_flags

_WRONG = {
    "checkpoint of an impossible name": (["--resume", "x" * 300], "--resume", "too long"),
    "unknown flag": (["--lamda-emb", "3"], "--lamda-emb", "--lambda-emb"),
    "abbreviated flag": (["--mom", "0.9"], "--mom"),
    "single dash": (["-mu", "3"], "-mu"),
    "stray word": (["stray"], "stray"),
    "stray empty word": ([""], "unrecognized"),
    "no value": (["--mu"], "--mu", "expected one argument"),
    "a flag as value": (["--mu", "--thr", "0.5"], "--mu", "expected one argument"),
    "text for a whole number": (["--mu", "three"], "--mu", "'three' is not a whole number"),
    "fraction for a whole number": (["--batch-size", "2.5"], "--batch-size", "whole number"),
    "exponent for a whole number": (["--n-epoches", "1e3"], "--n-epoches", "whole number"),
    "hexadecimal": (["--seed", "0x10"], "--seed", "whole number"),
    "five thousand digits": (["--seed", "9" * 5000], "--seed", "whole number"),
    "text for a number": (["--thr", "high"], "--thr", "'high' is not a number"),
    "comma in a number": (["--lr", "0,03"], "--lr", "'0,03'"),
    "line break in a number": (["--lr", "0.03\nrm -rf"], "--lr", r"0.03\nrm"),
    "terminal escape": (["--lr", "\x1b[2J"], "--lr", r"\x1b"),
    "not a number": (["--lr", "nan"], "--lr is nan"),
    "endless": (["--weight-decay", "inf"], "--weight-decay is inf"),
    "too large for a float": (["--lam-u", "1e400"], "--lam-u is inf"),
    "no learning rate": (["--lr", "0"], "--lr is 0"),
    "negative learning rate": (["--lr=-1"], "--lr is -1"),
    "no unlabelled images in a batch": (["--mu", "0"], "--mu is 0", "from 1"),
    "empty batch": (["--batch-size", "0"], "--batch-size is 0"),
    "no epoch": (["--n-epoches", "0"], "--n-epoches is 0"),
    "negative break": (["--break-epoch", "-1"], "--break-epoch is -1"),
    "impossible threshold": (["--thr", "1.5"], "--thr is 1.5", "probability"),
    "impossible cosine": (["--thr-emb", "-1.01"], "--thr-emb is -1.01", "cosine"),
    "negative weight": (["--lambda-emb", "-3"], "--lambda-emb is -3"),
    "frozen average": (["--ema-alpha", "1"], "--ema-alpha is 1"),
    "momentum above one": (["--momentum", "1.1"], "--momentum is 1.1"),
    "no momentum": (["--momentum", "0"], "--momentum is 0"),
    "no batch statistics": (["--bn-momentum", "0"], "--bn-momentum is 0"),
    "radius beyond all": (["--eps", "2.5"], "--eps is 2.5"),
    "seed too large": (["--seed", str(2**63)], "--seed"),
    "depth that is no WideResNet": (["--wres-n", "29"], "--wres-n is 29", "6 * i + 4"),
    "no width": (["--wres-k", "0"], "--wres-k is 0"),
    "tiny images": (["--im-size", "4", "--cropsize", "4"], "--im-size is 4"),
    "crop larger than images": (["--im-size", "16", "--cropsize", "17"], "--im-size 16", "--cropsize 17"),
    "less than a batch an epoch": (["--batch-size", "8"], "--n-imgs-per-epoch 4", "--batch-size 8", "no step"),
    "more than memory an epoch": (["--n-imgs-per-epoch", "999999999999"], "--n-imgs-per-epoch 999999999999", "memory"),
    "unknown network": (["--model-backbone", "vgg"], "--model-backbone", "'vgg'", "resnet18"),
    "unknown metric": (["--es-metric", "f1"], "--es-metric", "'f1'"),
    "unknown device": (["--device", "tpu"], "--device", "'tpu'"),
    "unknown cache": (["--cache-imgs", "ram"], "--cache-imgs", "'ram'"),
    "half a switch": (["--amp", "perhaps"], "--amp", "'perhaps'", "True or False"),
    "float16 on a processor": (["--amp", "--amp-dtype", "float16"], "--amp-dtype float16"),
    "apex that is not there": (["--amp", "--amp-backend", "apex"], "--amp-backend apex"),
    "empty path": (["--output-dir", ""], "--output-dir", "empty"),
    "path with a zero byte": (["--word-vec-path", "a\0b"], "--word-vec-path", r"a\x00b"),
    "path name too long": (["--word-vec-path", "v" * 300], "--word-vec-path", "too long"),
    "path too long": (["--dataset-path", "d/" * 2500], "--dataset-path", "too long"),
    "path not in UTF-8": (["--output-dir", "r\udcff"], "--output-dir", r"r\udcff"),
    "path with backslashes": (["--dataset-path", "data\\sets"], "--dataset-path", r"data\\sets", "write /"),
    "output with backslashes": (["--output-dir", r"runs\a"], "--output-dir", "write /"),
    "empty split name": (["--train-split-pickle", ""], "--train-split-pickle", "empty"),
    "pretrained without a file": (["--use-pretrained"], "--checkpoint-path"),
    "checkpoint that nobody uses": (["--checkpoint-path", "x.pth"], "--use-pretrained"),
    "ImageNet weights that nobody uses": (["--imgnet-weights", "x.pth"], "--imgnet-weights", "wres"),
    "missing file of flags": (["@no/such/file"], "no/such/file"),
    "folder of flags": (["@data"], "data"),
}


def _endless_file() -> list[str]:
    Path("a.flags").write_text("--mu 1\n@a.flags\n", encoding="utf-8")
    return ["@a.flags"]


def _pipe() -> list[str]:
    os.mkfifo("d.flags")
    return ["@d.flags"]


def _device() -> list[str]:
    Path("e.flags").symlink_to("/dev/zero")
    return ["@e.flags"]


def _many_files() -> list[str]:
    """Eight levels of eight files each would be sixteen million."""
    for level in range(8):
        Path(f"{level}.flags").write_text(f"@{level + 1}.flags\n" * 8, encoding="utf-8")
    Path("8.flags").write_text("--mu 1\n", encoding="utf-8")
    return ["@0.flags"]


def _open_quote() -> list[str]:
    Path("c.flags").write_text("--thr 'x\n", encoding="utf-8")
    return ["@c.flags"]


CASES = [
    *(with_flags(name, flags, *words) for name, (flags, *words) in _WRONG.items()),
    BadInput("file of flags that reads itself", ("a.flags",), _endless_file),
    BadInput("file of flags that reads millions of others", (".flags",), _many_files),
    BadInput("pipe of flags", ("d.flags", "a pipe"), _pipe),
    BadInput("device of flags", ("e.flags", "a device"), _device),
    with_file("endless file of flags", "f.flags", b"--mu 1\n" * 200_000, "1 MiB", flags=["@f.flags"]),
    with_file("file of flags with a Windows path", "g.flags", b"--output-dir a\\b\n", "write /", flags=["@g.flags"]),
    with_file("file of flags not in UTF-8", "b.flags", b"--mu \xff\n", "UTF-8", flags=["@b.flags"]),
    BadInput("open quote in a file of flags", ("@c.flags", "--thr 'x", "quotation"), _open_quote),
]
