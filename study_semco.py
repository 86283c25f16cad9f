"""Is it worth it here? Train SemCo, its ablations and its baselines on the same images: `python study_semco.py --help`."""

import argparse
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from utils.errors import SemcoError, run_program
from utils.flags.arguments import OneLineParser, path_argument, seed_number
from utils.flags.config import Config
from utils.flags.parse import parse_config
from utils.stopping import Stopped

_PROGRAM = Path(__file__).resolve().parent / "run_semco.py"
VARIANTS = {
    "supervised": ("--lambda-emb", "0", "--lam-u", "0"),
    "fixmatch": ("--lambda-emb", "0"),
    "semco": (),
    "no-groups": ("--eps", "0"),
    "no-cotrain": ("--no-cotrain",),
    "shuffled": ("--shuffle-vectors",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    return run_program(lambda: _start(arguments))


def _start(arguments: Sequence[str]) -> None:
    own, flags = list(arguments), []
    if "--" in own:
        place = own.index("--")
        own, flags = own[:place], own[place + 1 :]
    values = _parser().parse(own)
    variants = {name: VARIANTS[name] for name in values.variants}
    for name, own_flags in values.also:
        if name in VARIANTS or name in variants:
            raise SemcoError(f"--also {name}: there is a variant of that name; choose another")
        variants[name] = own_flags
    if not variants:
        raise SemcoError("no variant to train: name some behind --variants, or one of your own with --also NAME=FLAGS")
    if not flags:
        raise SemcoError("no flags for run_semco.py: put them behind --, as in study_semco.py -- @recipes/NAME.flags")
    _study(values, variants, flags)


def _study(values: argparse.Namespace, variants: dict[str, tuple[str, ...]], flags: Sequence[str]) -> None:
    """Train every variant with every seed, then compare them."""
    plans = [
        (seed, name, _arguments([*flags, *own], seed=seed, output_dir=values.output_dir / name))
        for seed in values.seeds
        for name, own in variants.items()
    ]
    configs = [parse_config(arguments) for _, _, arguments in plans]  # mistakes are reported before hours of training
    for number, ((seed, variant, arguments), config) in enumerate(zip(plans, configs, strict=True), start=1):
        name = f"{number} of {len(plans)}: {variant}, seed {seed}"
        if _is_done(config):
            print(f"{name}: done before", flush=True)
            continue
        print(f"{name}: training", flush=True)
        if exit_code := _train(arguments):
            raise SemcoError(
                f"{name} ended with exit code {exit_code}, see above; the same command resumes the study there"
            )
    _report(values, variants)


def _train(arguments: Sequence[str]) -> int:
    """Train in a process of its own and return its exit code; what stops the study lets the run save first."""
    with subprocess.Popen([sys.executable, str(_PROGRAM), *arguments]) as run:
        try:
            return run.wait()
        except Stopped:
            # SIGTERM whatever came: a Ctrl-C has reached the run as well, and a second SIGINT would end it unsaved.
            run.terminate()
            raise


def _arguments(flags: Sequence[str], *, seed: int, output_dir: Path) -> list[str]:
    """Flags of one run; `{seed}` in a flag, such as the name of a split, stands for the seed."""
    given = [flag.replace("{seed}", str(seed)) for flag in flags]
    return [*given, "--seed", str(seed), "--resume", "auto", "--output-dir", str(output_dir)]


def _is_done(config: Config) -> bool:
    """Return True if the output folder holds a finished run with these flags and this seed."""
    from utils.records.methods import science_flags
    from utils.records.run_files import read_run

    wanted = {**science_flags(config.as_json()), "seed": config.seed}
    finished = [read_run(summary.parent) for summary in config.output_dir.glob("*/x*/*/summary.json")]
    return any({**science_flags(run.flags), "seed": run.flags["seed"]} == wanted for run in finished)


def _report(values: argparse.Namespace, variants: Iterable[str]) -> None:
    """Write study.md and study.html and show the table."""
    from utils.files.atomic import write_text
    from utils.records.run_files import find_runs
    from utils.results.compare import compare_runs
    from utils.results.compare_text import format_comparison

    folders = {run: name for name in variants for run in find_runs(values.output_dir / name)}
    own = {run: name for run, name in folders.items() if name not in VARIANTS}
    comparison = compare_runs(list(folders), statistic=values.statistic, with_published=True, names=own)
    for form, name in (("markdown", "study.md"), ("html", "study.html")):
        write_text(values.output_dir / name, format_comparison(comparison, form))
    print(format_comparison(comparison, "markdown"))
    print(f"study: {values.output_dir / 'study.html'}")


def _own_variant(text: str) -> tuple[str, tuple[str, ...]]:
    """Part `NAME=FLAGS`; the name becomes a folder of the study."""
    name, sign, flags = text.partition("=")
    if not sign or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise argparse.ArgumentTypeError(
            f'{text!r} is not NAME=FLAGS with a name of letters, digits, dots and hyphens, such as "low=--thr 0.8"'
        )
    try:
        return name, tuple(shlex.split(flags))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error} in its flags") from None


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="study_semco.py",
        description="Train SemCo, its ablations and its baselines on the same images and seeds, and compare them. What is done "
        "is not trained again, what was interrupted is resumed. Flags behind -- go to every run of run_semco.py; {seed} in "
        "one of them stands for the seed.",
        epilog="Examples: python study_semco.py --seeds 1 2 3 -- @recipes/cifar100_subset_cpu.flags; "
        'python study_semco.py --variants semco --also "low=--thr 0.8 --thr-emb 0.9" -- @demo/demo.flags',
    )
    parser.add_argument(
        "--seeds", nargs="+", type=seed_number, default=[1, 2, 3], metavar="SEED", help="(default: 1 2 3)"
    )
    parser.add_argument(
        "--variants", nargs="*", choices=tuple(VARIANTS), default=list(VARIANTS), metavar="NAME",
        help=f"which of {', '.join(VARIANTS)} (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--also", action="append", type=_own_variant, default=[], metavar="NAME=FLAGS",
        help="one more variant, its flags in one argument; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--statistic", choices=("last", "best", "median20", "mean20"), default="last",
        help="what is compared; best is chosen on the validation images (default: last)",
    )  # fmt: skip
    parser.add_argument(
        "--output-dir", type=path_argument, default=Path("runs/study"), metavar="DIR", help="(default: runs/study)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
