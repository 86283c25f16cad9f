"""Kill a training at random moments, again and again, and let it go on; it must end in the same bits as one left alone.

`python -m tests.programs.faults.chaos [--kills 50] [--seed N] [--minutes 20]`, or `make test-chaos`. It trains a tiny network on
the demo's images, on one thread, and draws no pictures. Every child is a fork of this process, which has imported everything but
computed nothing: a start then takes a second instead of many. `chaos_tools` does the same to the smaller programs.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; with more, sums depend on how many threads there are

import run_semco
from tests.support.killing import HalfWritten, random_moment, start, wait
from tests.support.project import ROOT
from tests.support.run_equality import assert_equal_runs, records_without_times
from utils.files.pickles import dump_pickle, load_pickle
from utils.run.checkpoint import load_checkpoint
from utils.run.folder import RunFolder

DATA = ROOT / "demo" / ".data"
NAME = "fashion_mnist_demo"
IMPORTED = (
    "loaders.training_data", "loaders.feed", "models.assemble", "models.evaluate", "models.state",
    "utils.processes.memory", "utils.labels.semantics", "utils.run.resume", "utils.run.saving", "sklearn.cluster",
    "torch.utils.tensorboard", "torchvision", "torch._dynamo",
)  # fmt: skip
VALIDATION = 50


def main() -> int:
    """Kill and compare until there are kills enough; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=50, help="SIGKILLs in all (default: 50)")
    parser.add_argument("--seed", type=int, default=None, help="of the random moments (default: a fresh one)")
    parser.add_argument("--minutes", type=float, default=20, help="give up after (default: 20)")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**31) if arguments.seed is None else arguments.seed
    for module in IMPORTED:
        importlib.import_module(module)
    # Most of the time of so short a run, and long after its last checkpoint.
    RunFolder.draw_pictures = RunFolder.write_report = lambda *_: None
    with tempfile.TemporaryDirectory(prefix="semco-chaos-") as folder:
        chaos = Chaos(Path(folder), seed=seed, deadline=time.perf_counter() + 60 * arguments.minutes)
        print(f"seed {seed}: {arguments.kills} kills wanted; a run left alone takes {chaos.seconds:.1f} s", flush=True)
        while chaos.kills < arguments.kills:
            chaos.play_round(arguments.kills)
        print(
            f"{chaos.kills} SIGKILLs (seed {seed}) in {chaos.rounds} runs, {chaos.amid_writes} of them amid the writing of a "
            f"file, {chaos.read} times a checkpoint read: none unreadable, all {chaos.rounds} runs equal to the one left alone"
        )
    return 0


class Chaos:
    """Runs that are killed, and the one that is not."""

    def __init__(self, folder: Path, *, seed: int, deadline: float) -> None:
        self.kills = self.rounds = self.amid_writes = self.read = 0
        self._folder, self._deadline, self._random = folder, deadline, random.Random(seed)
        self._flags, self._log = _flags(folder), folder / "output.txt"
        # The first run also decodes the images into their cache.
        for name in ("warm-up", "alone"):
            started = time.perf_counter()
            self._wait(self._start(folder / name, "--checkpoint-minutes", "0"), until=lambda: False)
            self.seconds = time.perf_counter() - started
        self._alone = _finished(folder / "alone")

    def play_round(self, wanted: int) -> None:
        """Kill a run and let it go on until it ends; then compare."""
        output = self._folder / f"round-{self.rounds}"
        before = self.kills
        while True:
            started = time.perf_counter()
            half_written = HalfWritten(output)
            child = self._start(output, "--checkpoint-minutes", "1e-6", "--resume", "auto")
            moment = random_moment(self._random, seconds=self.seconds, half_written=half_written)
            if not self._wait(child, until=moment if self.kills < wanted else lambda: False):
                break
            self.kills += 1
            self.amid_writes += half_written.is_there()
            self.read += _check_files(output)
        assert_equal_runs(self._alone, _finished(output))
        self.rounds += 1
        if self.kills == before:  # too late for all of the run: this machine has become faster
            self.seconds = time.perf_counter() - started
        shutil.rmtree(output)
        print(f"run {self.rounds}: killed {self.kills - before} times, equal at its end", flush=True)

    def _start(self, output: Path, *flags: str) -> int:
        arguments = [*self._flags, "--output-dir", str(output), *flags]
        return start(lambda: run_semco.main(arguments), output=self._log)

    def _wait(self, child: int, *, until: Callable[[], bool]) -> bool:
        return wait(child, until=until, deadline=self._deadline, output=self._log)


def _flags(folder: Path) -> list[str]:
    splits = DATA / "splits"
    if not (splits / f"{NAME}_valid_data.pkl").exists():
        sys.exit(f"{splits} lacks the demo's splits: run make test-chaos, which makes them")
    everything = load_pickle(splits / f"{NAME}_valid_data.pkl")
    dump_pickle(folder / "valid.pkl", dict(list(everything.items())[:VALIDATION]))
    return (
        f"--dataset-path {DATA} --dataset-name {NAME} --valid-split-pickle {folder}/valid.pkl "
        f"--train-split-pickle {splits}/{NAME}_labelled_data_4_seed0.pkl "
        f"--word-vec-path {ROOT}/demo/glove.6B.50d.subset.txt.gz --device cpu --no-amp --im-size 16 --cropsize 16 "
        "--model-backbone wres --wres-n 10 --wres-k 1 --batch-size 2 --mu 2 --n-imgs-per-epoch 10 --n-epoches 3 "
        "--bn-momentum 0.05 --ema-alpha 0.9 --thr 0.15 --thr-emb 0.9 --num-workers-per-gpu 0 --no-progress-bar"
    ).split()


def _finished(output: Path) -> Path:
    """The one folder whose run has ended; a run killed before its first checkpoint has left its folder behind."""
    (folder,) = (path.parent for path in output.glob("*/*/*/summary.json"))
    return folder


def _check_files(output: Path) -> int:
    """Read every file that promises to be whole; returns the number of checkpoints."""
    checkpoints = list(output.rglob("*.pth"))
    for path in checkpoints:
        load_checkpoint(path)
    for path in output.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for path in output.rglob("metrics.jsonl"):
        records_without_times(path.parent)
    return len(checkpoints)


if __name__ == "__main__":
    sys.exit(main())
