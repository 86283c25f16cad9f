"""Kill the programs that make a run's inputs at random moments, and start them again; the same bytes must come out.

`python -m tests.programs.faults.chaos_tools [--kills 50] [--seed N] [--minutes 20]`, or `make test-chaos`, which kills trainings
first. It kills `loaders.prepare`, `split_maker` and `utils.labels convert` that many times each. After every kill, each dataset
and each file must be absent, the older one, or complete; after the last start nothing else may be left. Every child is a fork of
this process, which has imported everything.
"""

import argparse
import importlib
import os
import random
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is imported: a fork has no other threads

import loaders.prepare.__main__
import split_maker
import utils.labels.__main__
from tests.support.killing import HalfWritten, random_moment, start, wait
from tests.support.project import ROOT

DATASET = "chaos"
# A file's mode and bytes, or a folder's mode alone, by its path.
Tree = dict[str, tuple[int, bytes | None]]


@dataclass(frozen=True)
class Request:
    """What a program is asked for; `{output}` stands for the folder of its output.

    `older`: what may have made other files of the same names before; None where a program overwrites nothing.
    """

    arguments: str
    older: str | None = None


@dataclass(frozen=True)
class Tool:
    """A program under siege: its name, its `main`, and what it is asked for."""

    name: str
    main: Callable[[Sequence[str]], int]
    requests: tuple[Request, ...]


def main() -> int:
    """Kill and compare until there are kills enough; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--kills", type=int, default=50, help="SIGKILLs of each program (default: 50)")
    parser.add_argument("--seed", type=int, default=None, help="of the random moments (default: a fresh one)")
    parser.add_argument("--minutes", type=float, default=20, help="give up after (default: 20)")
    arguments = parser.parse_args()
    seed = random.SystemRandom().randrange(2**31) if arguments.seed is None else arguments.seed
    for module in ("loaders.dataset.index", "pyarrow.feather", "pandas", "PIL.PngImagePlugin", "torchvision"):
        importlib.import_module(module)
    print(f"seed {seed}: {arguments.kills} kills of each program wanted", flush=True)
    with tempfile.TemporaryDirectory(prefix="semco-chaos-") as folder:
        tempfile.tempdir = str(Path(folder) / "tmp")
        Path(tempfile.tempdir).mkdir()
        deadline = time.perf_counter() + 60 * arguments.minutes
        for tool in _tools(Path(folder) / "inputs", deadline):
            siege = Siege(tool, Path(folder) / "siege", seed=seed, deadline=deadline)
            while siege.kills < arguments.kills:
                siege.play_round(arguments.kills)
            _need(not any(Path(tempfile.tempdir).iterdir()), f"{tool.name} left something in {tempfile.tempdir}")
            print(
                f"{tool.name}: {siege.kills} SIGKILLs (seed {seed}) in {siege.rounds} rounds, {siege.amid_writes} of them amid "
                "the writing of a file or folder: nothing half there, nothing left behind, the same bytes as left alone",
                flush=True,
            )
    return 0


class Siege:
    """A program that is killed, and what it makes when it is left alone."""

    def __init__(self, tool: Tool, folder: Path, *, seed: int, deadline: float) -> None:
        self.kills = self.rounds = self.amid_writes = 0
        self._tool, self._folder, self._deadline = tool, folder, deadline
        self._random = random.Random(f"{tool.name} {seed}")
        folder.mkdir(exist_ok=True)
        self._log = folder / "output.txt"
        self._alone: list[Tree] = []
        self._seconds: list[float] = []
        for number, request in enumerate(tool.requests):
            output = folder / f"{tool.name}-alone-{number}"
            started = time.perf_counter()
            self._finish(request.arguments, output)
            self._seconds.append(time.perf_counter() - started)
            self._alone.append(snapshot(output))

    def play_round(self, wanted: int) -> None:
        """Kill the program and start it again until it ends; then compare."""
        number = self._random.randrange(len(self._tool.requests))
        request, alone, seconds = self._tool.requests[number], self._alone[number], self._seconds[number]
        output = self._folder / f"{self._tool.name}-{self.rounds}"
        older: Tree = {}
        if request.older and self._random.random() < 0.5:
            self._finish(request.older, output)
            older = snapshot(output)
            _need(
                older != alone and older.keys() == alone.keys(), f"{request.older} makes no other files of these names"
            )
        before = self.kills
        while self.kills < wanted:
            started = time.perf_counter()
            half_written = HalfWritten(output)
            moment = random_moment(self._random, seconds=seconds, half_written=half_written)
            if not self._wait(self._start(request.arguments, output), until=moment):
                break
            self.kills += 1
            self.amid_writes += half_written.is_there()
            self._check_complete(output, alone, older)
        else:
            started = time.perf_counter()
            self._finish(request.arguments, output)
        if self.kills == before:  # too late for all of the work: this machine has become faster
            self._seconds[number] = time.perf_counter() - started
        found = snapshot(output)
        _need(found == alone, f"{self._tool.name} {request.arguments}: differs in {_differing(found, alone)}")
        self.rounds += 1
        shutil.rmtree(output)

    def _check_complete(self, output: Path, alone: Tree, older: Tree) -> None:
        for entry in output.iterdir() if output.exists() else ():
            if entry.name.startswith(".") and entry.name.endswith(".part"):
                continue
            found = _below(snapshot(output), entry.name)
            complete = found in (_below(alone, entry.name), _below(older, entry.name))
            _need(complete, f"{entry} is neither complete nor what was there before")

    def _finish(self, arguments: str, output: Path) -> None:
        self._wait(self._start(arguments, output), until=lambda: False)

    def _start(self, arguments: str, output: Path) -> int:
        filled = [part.format(output=output) for part in arguments.split()]
        return start(lambda: self._tool.main(filled), output=self._log)

    def _wait(self, child: int, *, until: Callable[[], bool]) -> bool:
        return wait(child, until=until, deadline=self._deadline, output=self._log)


def snapshot(folder: Path) -> Tree:
    """Everything below a folder, hidden files too."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


def _below(tree: Tree, name: str) -> Tree:
    """The part of a tree that is at one place or below it."""
    return {path: what for path, what in tree.items() if Path(path).parts[0] == name}


def _differing(one: Tree, other: Tree) -> str:
    return ", ".join([path for path in sorted(one.keys() | other.keys()) if one.get(path) != other.get(path)][:10])


def _need(holds: bool, what: str) -> None:
    if not holds:
        sys.exit(f"error: {what}")


def _tools(folder: Path, deadline: float) -> tuple[Tool, ...]:
    """Make the inputs, in children: whatever starts threads must not run in the process that forks."""
    child = start(lambda: _make_inputs(folder), output=folder.with_name("inputs.txt"))
    wait(child, until=lambda: False, deadline=deadline, output=folder.with_name("inputs.txt"))
    prepare, quiet = f"--dataset-name {DATASET} --output {{output}}", "--no-progress-bar"
    folders = f"imagefolder --source {folder}/one {prepare} {quiet}"
    clothes = f"fashion_mnist --source {folder}/packed {prepare} {quiet}"
    draw = (
        "--dataset-path {data} --dataset-name small --output-path {{output}} --force --instances-per-label 3 "
        "--valid-per-label 2 --random-seed 0 1 2 3 4 5 6 7 --format {format}"
    )
    vectors = f"convert {ROOT}/demo/glove.6B.50d.subset.txt.gz {{output}}/vectors{{suffix}} {quiet}".format
    return (
        Tool(
            "loaders.prepare",
            loaders.prepare.__main__.main,
            tuple(
                map(Request, (folders, f"{folders} --link", f"{folders} --test-fraction 0.2 --random-seed 3", clothes))
            ),
        ),
        Tool(
            "split_maker",
            split_maker.main,
            tuple(
                Request(*(draw.format(data=folder / data, format=kind) for data in ("new", "old")))
                for kind in ("pickle", "json", "csv")
            ),
        ),
        Tool(
            "utils.labels-convert",
            utils.labels.__main__.main,
            tuple(
                Request(f"{line} --dim 20", f"{line} --dim 2")
                for line in (vectors(output="{output}", suffix=suffix) for suffix in (".pkl", ".txt", ".txt.gz"))
            ),
        ),
    )


def _make_inputs(folder: Path) -> int:
    """Make class folders of 96 small images, 60 images in MNIST's format, and two datasets of equal names and other classes."""
    from tests.support.datasets import make_dataset

    classes = [f"class {number}" for number in range(6)]
    for name, chosen in (("new", classes), ("old", classes[:5])):
        (folder / name).mkdir(parents=True)
        make_dataset(folder / name, "small", chosen, train=12, test=4)
    for part in ("train", "test"):
        for path in sorted((folder / "new" / "small" / part).iterdir()):
            target = folder / "one" / path.name[:3] / f"{part}-{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    (folder / "packed").mkdir()
    for name in ("train", "t10k"):
        images = bytes(place % 251 for place in range(30 * 28 * 28))
        labels = bytes(place % 10 for place in range(30))
        for kind, sides, content in (("images-idx3", (30, 28, 28), images), ("labels-idx1", (30,), labels)):
            head = struct.pack(f">I{len(sides)}I", 0x800 + len(sides), *sides)
            (folder / "packed" / f"{name}-{kind}-ubyte").write_bytes(head + content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
