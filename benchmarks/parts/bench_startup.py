"""Start-up: from the program's first line to the first step, with and without a cache; and how it grows with the dataset."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.parts.timing import growth_exponent

ROOT = Path(__file__).resolve().parents[2]


def startup(count: int) -> dict[str, Any]:
    """Return the seconds of each phase of a start with `count` images, first without and then with a cache."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write_dataset(root, count)
        return {name: _in_fresh_process("phases", root) for name in ("first start", "second start")}


def index_growth(counts: list[int]) -> dict[str, Any]:
    """Return seconds and peak memory of indexing a dataset of each size and drawing an epoch, with exponents of growth."""
    rows = {}
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            _write_dataset(root, count, empty=True)
            rows[count] = _in_fresh_process("index", root)
    base = rows[counts[0]]["peak_mib"]
    memory = [max(row["peak_mib"] - base, 1.0) for row in rows.values()]
    return {
        "images": {str(count): row for count, row in rows.items()},
        "exponent_of_seconds_from_10K": round(_exponent(rows, counts, "seconds"), 3),
        "exponent_of_memory_above_the_smallest_from_100K": round(growth_exponent(counts[2:], memory[2:]), 3),
    }


def _exponent(rows: dict[int, dict[str, float]], counts: list[int], key: str) -> float:
    large = [count for count in counts if count >= 10_000]
    return growth_exponent(large, [rows[count][key] for count in large])


def _write_dataset(root: Path, count: int, *, empty: bool = False) -> None:
    """Write ten classes: `count` training images of 32 pixels (or empty files) and 100 test images."""
    folder = root / "generated"
    (folder / "labels").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, images in (("train", count), ("test", 100)):
        (folder / part).mkdir()
        names = [f"{number:07d}.png" for number in range(images)]
        for name in names:
            path = folder / part / name
            if empty:
                path.touch()
            else:
                Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path, compress_level=1)
        classes = [f"word{number % 10}" for number in range(images)]
        table = pd.DataFrame({"id": names, "class": classes})
        table.to_feather(folder / "labels" / f"labels_{part}.feather")
    terms = (f"word{number} " + " ".join(f"{value:.4f}" for value in rng.normal(size=50)) for number in range(20_000))
    (root / "vectors.txt").write_text("\n".join(terms) + "\n")
    labelled = {f"train/{number:07d}.png": f"word{number % 10}" for number in range(40)}
    (root / "split.json").write_text(json.dumps(labelled))


def _in_fresh_process(what: str, root: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.parts.bench_startup", what, str(root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _config(root: Path):
    from utils.flags.parse import parse_config

    flags = {
        "dataset-path": root, "dataset-name": "generated", "train-split-pickle": root / "split.json",
        "word-vec-path": root / "vectors.txt", "batch-size": 16, "n-imgs-per-epoch": 1600, "n-epoches": 1, "wres-k": 1,
        "bn-momentum": 0.05,
    }  # fmt: skip
    return parse_config([f"--{name}={value}" for name, value in flags.items()] + ["--no-amp"])


def _phases(root: Path) -> dict[str, float]:
    marks = [time.perf_counter()]

    def passed() -> float:
        marks.append(time.perf_counter())
        return round(marks[-1] - marks[-2], 3)

    from loaders.feed import Feed
    from loaders.training_data import open_training_data, select_images
    from models.assemble import build_network, build_trainer
    from utils.labels.semantics import describe_labels
    from utils.processes.world import join_world
    from utils.progress import Progress

    found = {"import": passed()}
    config, silent = _config(root), Progress(enabled=False)
    selection = select_images(config)
    found["index and split"] = passed()
    semantics = describe_labels(config, selection.class_names, progress=silent)
    found["word vectors, matching, grouping"] = passed()
    data = open_training_data(config, selection, statistics=None, progress=silent)
    found["pixels and statistics"] = passed()
    world = join_world(config.device, parallel=False)
    feed = Feed(config, data, world=world)
    batch = next(iter(feed.epoch(0)))
    found["first batch"] = passed()
    network = build_network(config, semantics)
    trainer = build_trainer(config, network, semantics, world=world)
    found["network"] = passed()
    trainer.network.train()
    trainer.train_step(batch.images, batch.labels, step=0)
    found["first step"] = passed()
    found["all but import"] = round(sum(found.values()) - found["import"], 3)
    return found


def _index(root: Path) -> dict[str, float]:
    from loaders.training_data import select_images
    from loaders.views.plan import BatchShape, draw_epoch

    start = time.perf_counter()
    selection = select_images(_config(root))
    unlabelled = len(selection.unlabelled)
    draw_epoch(seed=1, epoch=0, num_labelled=40, num_unlabelled=unlabelled, shape=BatchShape(1024, 64, 192))
    return {"seconds": round(time.perf_counter() - start, 3), "peak_mib": round(_peak_bytes() / 2**20, 1)}


def _peak_bytes() -> int:
    """Return the peak memory of this process in bytes (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("phases", "index"))
    parser.add_argument("root", type=Path)
    values = parser.parse_args()
    print(json.dumps({"phases": _phases, "index": _index}[values.what](values.root)))
