"""Runs of the program on the tiny dataset, a second each, and what they leave behind."""

import csv
from pathlib import Path

import torch

import run_semco
from utils.run.checkpoint import load_checkpoint

TINY = [
    "--im-size", "16", "--cropsize", "16", "--wres-n", "10", "--wres-k", "1", "--bn-momentum", "0.1", "--batch-size", "4",
    "--n-imgs-per-epoch", "12", "--n-epoches", "2", "--thr", "0.3", "--thr-emb", "0.1", "--ema-alpha", "0.5", "--device", "cpu",
    "--no_amp", "--num-workers-per-gpu", "2",
]  # fmt: skip


def flags_for(root: Path, output: Path, *more: str, name: str = "tiny") -> list[str]:
    return [
        *("--dataset-path", str(root), "--dataset-name", name, "--train-split-pickle", str(root / "split.pkl")),
        *("--word-vec-path", str(root / "vectors.txt"), "--output-dir", str(output), *TINY, *more),
    ]


def train(root: Path, output: Path, *more: str, name: str = "tiny") -> Path:
    """Run the program; returns the run folder."""
    assert run_semco.main(flags_for(root, output, *more, name=name)) == 0
    (folder,) = (path.parent for path in output.rglob("summary.json"))
    return folder


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load_checkpoint(folder / "last.pth")
    return {f"{part}.{name}": value for part in ("model", "ema") for name, value in state[part].items()}


def label_rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "label_groups.csv").read_text(encoding="utf-8").splitlines()))


def equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
