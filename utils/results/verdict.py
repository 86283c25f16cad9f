"""A run's outcome in plain words, with what it should be compared to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.errors import SemcoError
from utils.records.methods import backbone, differing_flags, is_supervised, method_name, starts_from_scratch
from utils.records.published import PublishedFigure, find_published
from utils.records.run_files import RunFiles, best_epoch, is_run_folder, number, read_run
from utils.results.prediction_file import find_predictions
from utils.results.statistics import paired_difference, wilson_interval
from utils.results.wording import count, higher, percent
from utils.short_runs import NEVER_TOOK_UNLABELLED, SEEN_WITHOUT_GAIN, takes_unlabelled, times_seen

_FINGERPRINTS = ("training_set", "labelled_split", "validation_set", "validation_split")
HEAD_KEYS = {"class head": "top1", "embedding head": "top1_emb", "both heads": "top1_combined"}


@dataclass(frozen=True)
class Bar:
    """An accuracy with its interval, percent, for the overview; `kind`: class, emb, both, supervised or published."""

    name: str
    kind: str
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What the report says first."""

    headline: str
    sentences: tuple[str, ...]
    bars: tuple[Bar, ...]
    published: tuple[PublishedFigure, ...]


def judge(run: RunFiles, figures: Sequence[PublishedFigure]) -> Verdict:
    """Say how good a run is, compared with its supervised baseline and with published figures.

    Raises:
        SemcoError: no epoch of the run is finished.
    """
    if not run.history or number(run.history[-1], "top1") is None:
        raise SemcoError(
            f"{run.folder}: no epoch is finished, so there is nothing to report; let the run train for one"
        )
    images = int(run.resolved.get("validation_images") or 0)
    bars = _own_bars(run, images)
    baseline, unread = find_supervised(run)
    sentences = [_statistic(run, bars[0], images), *_chosen(run), *_other_heads(run, bars)]
    sentences += _against_baseline(run, baseline, images) + _for_its_length(run) + unread
    if baseline is not None:
        bars.append(_bar("supervised", "supervised", number(baseline.history[-1], "top1"), images))
    labels = run.resolved.get("labelled_images")
    published = find_published(list(figures), dataset=run.flags["dataset_name"], labels=labels or -1)
    bars += [_published_bar(figure) for figure in published if figure.method == "SemCo"][:2]
    return Verdict(
        headline=f"{bars[0].accuracy:.1f}% of {f'{images:,}' if images else 'the'} {measured_on(run)} classified correctly",
        sentences=(*sentences, _against_published(run, published)),
        bars=tuple(bars),
        published=tuple(published),
    )


def measured_on(run: RunFiles) -> str:
    """What the validation images are: the dataset's test images, labelled images that were held out, or others."""
    if run.flags["valid_fraction"]:
        return "held-out labelled images"
    files = table.files if (table := find_predictions(run.folder)) is not None else ()
    is_test = str(run.resolved.get("validation_source", "")).endswith("/test") or (
        files and files[0].startswith("test/")
    )
    return "test images" if is_test else "validation images"


def find_supervised(run: RunFiles) -> tuple[RunFiles | None, list[str]]:
    """Find the supervised run on the same images beside this one, the one whose flags are nearest.

    Returns:
        The run, and a sentence when some neighbours could not be read.
    """
    if is_supervised(run.flags) or not run.resolved.get("labelled_split"):
        return None, []
    found, unread = [], 0
    for folder in _neighbours(run.folder.resolve()):
        try:
            other = read_run(folder)
        except SemcoError:
            unread += 1
            continue
        same = all(other.resolved.get(name) == run.resolved.get(name) for name in _FINGERPRINTS)
        if same and other.is_complete and other.history and is_supervised(other.flags):
            distance = (len(differing_flags(other.flags, run.flags)), backbone(other.flags) != backbone(run.flags))
            found.append(((other.flags["seed"] != run.flags["seed"], *distance, str(folder)), other))
    note = [f"{count(unread, 'neighbouring run folder')} could not be read and took no part in this."] if unread else []
    return (min(found, key=lambda pair: pair[0])[1] if found else None), note


def _neighbours(folder: Path) -> list[Path]:
    """Run folders of the same dataset under the same output folder, as run_semco.py lays them out."""
    siblings = folder.parent.parent.glob("x*/*/") if folder.parent.name.startswith("x") else folder.parent.glob("*/")
    return sorted(path for path in siblings if path != folder and is_run_folder(path))


def _own_bars(run: RunFiles, images: int) -> list[Bar]:
    last = run.history[-1]
    kinds = {"class head": "class", "embedding head": "emb", "both heads": "both"}
    heads = HEAD_KEYS if run.flags["lambda_emb"] else {"class head": "top1"}
    return [_bar(name, kinds[name], last[key], images) for name, key in heads.items() if number(last, key) is not None]


def _bar(name: str, kind: str, accuracy: float | None, images: int) -> Bar:
    value = float(accuracy or 0.0)
    low, high = wilson_interval(round(value / 100 * images), images) if images else (value / 100, value / 100)
    return Bar(name, kind, value, 100 * low, 100 * high)


def _published_bar(figure: PublishedFigure) -> Bar:
    spread = figure.spread or 0.0
    name = f"published, mu {figure.mu}" if figure.mu else "published"
    return Bar(name, "published", figure.accuracy, figure.accuracy - spread, figure.accuracy + spread)


def _statistic(run: RunFiles, bar: Bar, images: int) -> str:
    epochs = run.history[-1]["epoch"]
    text = f"This is the top-1 accuracy of the class head after the last epoch, number {epochs}."
    if not run.is_complete:
        text += " The run is not finished."
    if images:
        text += (
            f" Its 95% interval is {bar.low:.1f}% to {bar.high:.1f}%: it covers the chance of which images were tested, not "
            "that of the seed and of the labelled images; several runs show that."
        )
    classes = run.resolved.get("classes")
    return text + (f" Guessing gives {percent(1 / classes)}." if classes else "")


def _chosen(run: RunFiles) -> list[str]:
    best, last = best_epoch(run), run.history[-1]
    if best["epoch"] == last["epoch"]:
        return ["The last epoch was also the best one. It was not chosen by looking at any image."]
    text = f"The last epoch was not chosen by looking at any image. The best epoch, number {best['epoch']}, reached "
    text += f"{best['top1']:.1f}%; "
    text += f"it was chosen on the very {measured_on(run)} that it is measured on, so that figure flatters the run."
    return [text]


def _other_heads(run: RunFiles, bars: Sequence[Bar]) -> list[str]:
    reached = {bar.kind: f"{bar.accuracy:.1f}%" for bar in bars}
    parts = [f"The embedding head reaches {reached['emb']}"] if "emb" in reached else []
    parts += [f"both heads together reach {reached['both']}"] if "both" in reached else []
    if not parts:
        return ["The embedding head was not trained (--lambda-emb 0)."] if not run.flags["lambda_emb"] else []
    text = " and ".join(parts)
    return [f"{text[0].upper()}{text[1:]}."]


def _against_baseline(run: RunFiles, baseline: RunFiles | None, images: int) -> list[str]:
    if is_supervised(run.flags):
        return ["This is a supervised run: it learnt from the labelled images alone and is the baseline for others."]
    if baseline is None:
        return [
            "No finished supervised run on the same images lies beside this one. Train one with --lam-u 0 --lambda-emb 0 to "
            "see what the unlabelled images add."
        ]
    accuracy = number(baseline.history[-1], "top1") or 0.0
    difference = run.history[-1]["top1"] - accuracy
    text = (
        f"The supervised run on the same {count(run.resolved['labelled_images'], 'labelled image')} "
        f"({baseline.folder.name}) reached {accuracy:.1f}%: {method_name(run.flags)} {higher(difference)}."
    )
    if interval := _paired_interval(run, baseline, difference):
        text += (
            f" Image by image, the 95% interval of that difference is {interval[0]:+.1f} to {interval[1]:+.1f}".replace(
                "-", "\N{MINUS SIGN}"
            )
        )
        text += "; it excludes zero." if interval[0] * interval[1] > 0 else "; it includes zero: this may be chance."
    if backbone(run.flags) != backbone(baseline.flags):
        text += f" The supervised run's network is {backbone(baseline.flags)}, this one's {backbone(run.flags)}."
    if differing := differing_flags(baseline.flags, run.flags):
        more = f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        text += f" It also differs by {', '.join(differing[:5])}{more}."
    if run.flags["seed"] != baseline.flags["seed"]:
        text += f" Its seed is {baseline.flags['seed']}, this run's {run.flags['seed']}."
    return [text]


def _for_its_length(run: RunFiles) -> list[str]:
    """Say that the run was too short for its labels, where earlier measurements say so."""
    labelled, steps = run.resolved.get("labelled_images"), number(run.history[-1], "step")
    if run.flags["lam_u"] and not takes_unlabelled(run.history, run.flags.get("supervised_start", 0.0)):
        return [f"Unlabelled images had no part: {NEVER_TOOK_UNLABELLED}."]
    if not run.flags["lam_u"] or not starts_from_scratch(run.flags) or not labelled or steps is None:
        return []
    seen = times_seen(steps=steps, batch_size=run.flags["batch_size"], labelled=labelled)
    if seen > SEEN_WITHOUT_GAIN:
        return []
    return [
        f"The run is short: it saw each labelled image {seen:,.3g} times, and earlier measurements found that up to "
        f"{SEEN_WITHOUT_GAIN} times supervised training does as well."
    ]


def _paired_interval(run: RunFiles, other: RunFiles, difference: float) -> tuple[float, float] | None:
    """Interval of the difference over the images, percentage points, where both runs' tables hold the same images."""
    mine, theirs = find_predictions(run.folder), find_predictions(other.folder)
    if mine is None or theirs is None or mine.files != theirs.files or len(mine.files) < 2:
        return None
    gained = (mine.class_labels == mine.labels).astype(float) - (theirs.class_labels == theirs.labels)
    found = paired_difference((100 * gained).tolist())
    # Tables of another epoch than the last would be the interval of another difference.
    return (found.low, found.high) if abs(found.mean - difference) < 0.2 else None  # type: ignore[return-value]


def _against_published(run: RunFiles, published: Sequence[PublishedFigure]) -> str:
    labels, dataset = run.resolved.get("labelled_images"), run.flags["dataset_name"]
    if not published:
        return f"No published figure is on record for {dataset} with {count(labels or 0, 'label')}."
    own = [figure for figure in published if figure.method == "SemCo"]
    others = [figure for figure in published if figure.method in ("supervised", "FixMatch")]
    best = max(
        (figure for figure in published if figure.method != "SemCo"), key=lambda figure: figure.accuracy, default=None
    )
    named = list(dict.fromkeys([*own, *others, *([best] if best else [])]))
    text = f"Published for {dataset} with {count(labels or 0, 'label')}: {'; '.join(_spell_figure(figure) for figure in named)}."
    text += f" This run's network is {backbone(run.flags)} and its figure the last epoch's."
    return text + (" The table below lists all of them." if len(published) > len(named) else "")


def _spell_figure(figure: PublishedFigure) -> str:
    spread = f" ± {figure.spread:.2f}" if figure.spread is not None else ""
    mu = f", mu {figure.mu}" if figure.mu else ""
    network = figure.backbone or "network not stated"
    statistic = "statistic not stated" if figure.statistic == "not stated" else f"{figure.statistic} epoch"
    return f"{figure.method} {figure.accuracy:.2f}%{spread} ({network}{mu}, {statistic})"
