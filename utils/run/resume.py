"""--resume: find the interrupted run, and check that it is this one."""

import contextlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from utils.errors import SemcoError
from utils.files.lock import FolderLock, InUseError
from utils.flags.config import Config, flag_of
from utils.processes.world import World
from utils.run.checkpoint import checkpoints_in, fallbacks, newest_of, read_first
from utils.run.schema import ALWAYS_COMPARED
from utils.schedule import cosine_learning_rate
from utils.seeding import resolve_seed

LOGGER = logging.getLogger("semco")
AUTO = "auto"
# Flags that change where, how fast and how long a run trains, and no number in it but by rounding.
MAY_CHANGE = (
    "output_dir", "device", "parallel", "num_workers_per_gpu", "cache_imgs", "data_device", "cuda_graph", "compile",
    "progress_bar", "checkpoint_minutes", "resume",
    "break_epoch", "early_stopping_epochs", "min_wait_before_es", "on_nan", "nan_limit", "diagnose_images",
)  # fmt: skip
# Flags that choose data, vectors or weights: their content is compared, not its place.
_BY_CONTENT = (
    "dataset_path", "train_split_pickle", "valid_split_pickle", "classes_pickle", "skip_bad_images", "word_vec_path",
    "label_embedder", "label_terms", "imgnet_weights",
)  # fmt: skip


@dataclass(frozen=True)
class InterruptedRun:
    """An intact checkpoint of this run, its folder, and the lock that keeps others out (None in all but one process)."""

    path: Path
    content: dict[str, Any]
    lock: FolderLock | None

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.path.parent


class Resume:
    """The checkpoints whose flags agree with this run's, the furthest first; none without --resume.

    Args:
        config: the flags as given.

    Raises:
        SemcoError: --resume names a checkpoint that cannot be read, or that these flags contradict.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._candidates: list[tuple[Path, dict[str, Any]]] = []
        if config.resume == AUTO:
            self._candidates = self._search()
        elif config.resume is not None:
            self._candidates = [self._named(Path(config.resume))]

    def seed(self) -> int:
        """Return the seed as given; for a negative one that of the run that is resumed, or a fresh one."""
        if self._config.seed < 0 and self._candidates:
            return self._candidates[0][1]["seed"]
        return resolve_seed(self._config.seed)

    def identity(
        self, *, seed: int, facts: Mapping[str, Any], class_names: Sequence[str], label_vectors: str
    ) -> dict[str, Any]:
        """Return what every checkpoint of this run says of it, by which it is told from others.

        Args:
            facts: what is known of the data, including sentences on where they come from, which are left out: they name paths.
            label_vectors: digest of the class vectors and groups.
        """
        data = {name: value for name, value in facts.items() if name not in ("statistics", "validation_source")}
        fingerprints = {**data, "class_names": list(class_names), "label_vectors": label_vectors}
        return {"config": self._config.as_json(), "seed": seed, "fingerprints": fingerprints}

    def choose(self, identity: Mapping[str, Any], *, world: World) -> InterruptedRun | None:
        """Return the interrupted run that is resumed; None starts a new one.

        Raises:
            SemcoError: the named checkpoint has other data or is damaged, another run is at work in its folder, or the
                processes do not see the same one.
        """
        point = self._choose(identity, locks=world.is_main)
        place = (point.content["epoch"] << 32) + point.content["steps"] if point else -1
        if world.agree(place) != place:
            raise SemcoError(
                f"--resume: the processes see different checkpoints in {self._config.output_dir}: share it"
            )
        if point:
            self._report(point.path, point.content)
        elif self._config.resume == AUTO:
            LOGGER.info("--resume auto: no checkpoint of this run in %s, starting a new run", self._config.output_dir)
        return point

    def _choose(self, identity: Mapping[str, Any], *, locks: bool) -> InterruptedRun | None:
        for path, content in self._candidates:
            differing, unknown = _compare(identity, content)
            if differing:
                text = f"checkpoint {path} is of other data, in which differ: {_listed(differing)}"
                if self._config.resume != AUTO:
                    raise SemcoError(f"{text}; name the same data, splits and word vectors, or start a new run")
                LOGGER.warning("%s; it is left alone", text)
                continue
            if (found := self._open(path, locks=locks)) is not None:
                if unknown:
                    LOGGER.warning(
                        "checkpoint %s is of another version, so these are not compared: %s", path, _listed(unknown)
                    )
                return found
        return None

    def _open(self, path: Path, *, locks: bool) -> InterruptedRun | None:
        """Lock a checkpoint's folder and read it, or the one before it if it is damaged.

        None only with --resume auto: the folder cannot be locked or both are damaged, and other runs are left to try.
        """
        try:
            with contextlib.ExitStack() as unless_read:
                lock = FolderLock(path.parent) if locks else None
                if lock:
                    unless_read.callback(lock.release)
                found = InterruptedRun(*read_first(fallbacks(path), mapped=False), lock)
                unless_read.pop_all()
                return found
        except InUseError:
            raise
        except SemcoError as error:
            if self._config.resume != AUTO:
                raise
            LOGGER.warning("%s", error)
            return None

    def _search(self) -> list[tuple[Path, dict[str, Any]]]:
        """Look through the run folders of this dataset; one that cannot be read is warned about and left alone."""
        found, near = [], []
        for folder in sorted((self._config.output_dir / self._config.dataset_name).glob("x*/*/")):
            newest = newest_of(folder)
            if newest is None:
                continue
            differing = self._differing(newest[1], is_auto=True)
            (near if differing else found).append((*newest, differing))
        if near and not found:
            path, _, differing = min(near, key=lambda one: len(one[2]))
            LOGGER.info("--resume auto: the nearest run, %s, has other flags: %s", path.parent, ", ".join(differing))
        # Not by time: clocks go backwards, and copies are newer than what they were copied from.
        found.sort(key=lambda one: (one[1]["epoch"], one[1]["steps"], one[0].parent.name), reverse=True)
        return [(path, content) for path, content, _ in found]

    def _named(self, path: Path) -> tuple[Path, dict[str, Any]]:
        # Not Path.is_dir, which raises where a folder on the way may not be read.
        if os.path.isdir(path):  # noqa: PTH112
            paths = checkpoints_in(path)
            if not paths:
                raise SemcoError(
                    f"--resume {path}: this folder has no checkpoint; name a run folder or a .pth file in it"
                )
            path, content = read_first(paths)
        else:
            path, content = read_first(fallbacks(path))
        if not (path.parent / "config.json").is_file():
            raise SemcoError(
                f"--resume {path}: {path.parent} is no run folder, there is no config.json; to start from weights alone, "
                "use --use-pretrained --checkpoint-path"
            )
        if differing := self._differing(content, is_auto=False):
            free = ", ".join(flag_of(name) for name in ("n_epoches", *MAY_CHANGE))
            raise SemcoError(
                f"checkpoint {path} cannot be resumed with other flags: {', '.join(differing)}; only these may change, and where "
                f"files are: {free}"
            )
        return path, content

    def _differing(self, content: dict[str, Any], *, is_auto: bool) -> list[str]:
        """Describe the flags that contradict a checkpoint; a flag that it does not know had its default."""
        default = Config().as_json()
        there, here = {**default, **content["config"]}, self._config.as_json()
        if content["seed"] == here["seed"]:  # a run that was unseeded, named by the seed that it drew
            there["seed"] = here["seed"]
        free = {*MAY_CHANGE, *_BY_CONTENT} | (set() if is_auto else {"n_epoches"})
        return [
            f"{flag_of(name)} is {here.get(name)}, there {there[name]}"
            for name in there
            if name not in free and here.get(name) != there[name]
        ]

    def _report(self, path: Path, content: dict[str, Any]) -> None:
        config, epoch, steps = self._config, content["epoch"], content["steps"]
        LOGGER.info("resuming from %s: %d epochs and %d steps are done", path, epoch, steps)
        before, step = content["config"]["n_epoches"], epoch * config.steps_per_epoch + steps
        if before != config.n_epoches:
            old, new = (
                cosine_learning_rate(step, total_steps=epochs * config.steps_per_epoch, base=config.lr)
                for epochs in (before, config.n_epoches)
            )
            LOGGER.warning(
                "--n-epoches is %d, it was %d: the learning rate jumps from %.4g to %.4g at step %d, and the result will be "
                "that of neither schedule",
                config.n_epoches, before, old, new, step,
            )  # fmt: skip


def _compare(identity: Mapping[str, Any], content: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Return the names of fingerprints that differ, and of those that only one of the two versions records."""
    here = {"seed": identity["seed"], **identity["fingerprints"]}
    there = {"seed": content["seed"], **content["fingerprints"]}
    unknown = [name for name in {**here, **there} if (name in here) != (name in there) and name not in ALWAYS_COMPARED]
    names = [name for name in {**here, **there} if name not in unknown]
    return [name for name in names if here.get(name) != there.get(name)], unknown


def _listed(names: Sequence[str]) -> str:
    more = f" (and {len(names) - 10} more)" if len(names) > 10 else ""
    return ", ".join(names[:10]).replace("_", " ") + more
