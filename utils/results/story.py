"""The story of a run's pseudo-labels, told from metrics.jsonl; docs/results.md explains every threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from utils.records.run_files import number
from utils.results.statistics import wilson_interval
from utils.results.wording import count, percent

# Fewer confident guesses than this say nothing of their precision without an interval; per class, of how they spread.
_FEW_GUESSES, _FEW_PER_CLASS = 100, 5
_NEVER, _OFTEN = 0.005, 0.10
_FALLING, _FALLEN = 0.03, 0.8
_GOOD, _POOR = 0.9, 0.7
_COLLAPSED, _UNEVEN = 0.8, 0.4
_HEADS = {"class": ("class head", "mask_rate", "thr"), "emb": ("embedding head", "emb_mask_rate", "thr_emb")}


@dataclass(frozen=True)
class Finding:
    """A sentence or two; `tone`: good, plain, or alarm for what a user should act on."""

    text: str
    tone: str = "plain"


def tell_story(
    history: Sequence[Mapping[str, Any]], flags: Mapping[str, Any], *, classes: int | None, grouped: bool = True
) -> tuple[Finding, ...]:
    """Say how many pseudo-labels there were, how right they were, and what went wrong with them.

    Args:
        history: one record per epoch, as in metrics.jsonl; values may be absent.
        classes: number of classes, where it is known.
        grouped: true when a label group holds several classes.
    """
    if not flags["lam_u"]:
        return (Finding("This run learnt nothing from unlabelled images (--lam-u 0), so there are no pseudo-labels."),)
    heads = ["class", "emb"] if flags["lambda_emb"] else ["class"]
    findings = []
    for head in heads:
        findings += _coverage(head, history, flags)
        findings += _precision(head, history)
        findings += _spread(head, history[-1], classes)
        findings += _group_errors(head, history[-1]) if grouped else []
    if len(heads) == 2:
        findings += _agreement(history[-1])
    return (*findings, *_limits(history))


def coverage_series(head: str, history: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Share of unlabelled images with a confident guess by `head` (class, emb): diagnosed, else counted while training."""
    diagnosed = [number(record, f"pseudo_{head}_coverage") for record in history]
    if any(value is not None for value in diagnosed):
        return diagnosed
    return [number(record, _HEADS[head][1]) for record in history]


def _coverage(head: str, history: Sequence[Mapping[str, Any]], flags: Mapping[str, Any]) -> list[Finding]:
    name, _, threshold = _HEADS[head]
    series = coverage_series(head, history)
    known = [(record["epoch"], value) for record, value in zip(history, series, strict=True) if value is not None]
    if not known:
        return [Finding(f"How often the {name} was confident is not recorded.")]
    (last_epoch, last), (_, most) = known[-1], max(known, key=lambda pair: pair[1])
    bound = f"--{threshold.replace('_', '-')} {flags[threshold]:g}"
    if most < _NEVER:
        taught = (
            "taught nothing with its pseudo-labels" if most == 0 else "taught next to nothing with its pseudo-labels"
        )
        return [
            Finding(
                f"The {name} was never confident: at most {percent(most)} of the unlabelled images reached {bound} in any "
                f"epoch, so it {taught}. Lower the threshold, or train longer.",
                "alarm",
            )
        ]
    text = f"The {name} was confident ({bound}) of {percent(last)} of the unlabelled images in epoch {last_epoch}"
    first = next((epoch for epoch, value in known if value >= _OFTEN), None)
    if first is None:
        return [Finding(f"{text}; it never was of {percent(_OFTEN, 0)}, so few of them were put to use.", "alarm")]
    if last < most / 2:
        return [Finding(f"{text}, down from {percent(most)}: it lost confidence while training.", "alarm")]
    began = "from the first epoch on" if first == known[0][0] else f"it passed {percent(_OFTEN, 0)} in epoch {first}"
    return [Finding(f"{text}; {began}." if first != known[0][0] else f"{text}, and of over 10% {began}.")]


def _precision(head: str, history: Sequence[Mapping[str, Any]]) -> list[Finding]:
    name = _HEADS[head][0]
    key = f"pseudo_{head}_precision"
    known = [(record, number(record, key)) for record in history]
    known = [(record, value) for record, value in known if value is not None]
    if not known:
        return []
    record, last = known[-1]
    text = f"Of the {name}'s confident guesses, {percent(last)} were right in epoch {record['epoch']}"
    guesses = _guesses(head, record)
    if guesses is not None and guesses < _FEW_GUESSES:
        low, high = wilson_interval(round(last * guesses), guesses) if guesses else (0.0, 1.0)
        text += f" (only {count(guesses, 'guess', 'guesses')} in the sample: 95% interval {percent(low)} to {percent(high)})"
        return [Finding(f"{text}.")]
    # A peak of a few early guesses is luck, not a height to fall from.
    counted = [(one, value, _guesses(head, one)) for one, value in known]
    firm = [(one, value) for one, value, seen in counted if seen is None or seen >= _FEW_GUESSES]
    peak_record, peak = max(firm, key=lambda pair: pair[1])
    if peak - last >= _FALLING:
        return [
            Finding(
                f"{text}, down from {percent(peak)} in epoch {peak_record['epoch']}: as it became confident of more images, more "
                "of its pseudo-labels were wrong, and it learnt from them.",
                "alarm" if last < _FALLEN else "plain",
            )
        ]
    if last < _POOR:
        flag = "--" + _HEADS[head][2].replace("_", "-")
        return [Finding(f"{text}: many of them teach a wrong class. A higher {flag} lets fewer pass.", "alarm")]
    return [Finding(f"{text}.", "good" if last >= _GOOD else "plain")]


def _spread(head: str, record: Mapping[str, Any], classes: int | None) -> list[Finding]:
    """Say whether the confident guesses fall on all classes; 1 - 1/C is the distance when all fall on one."""
    distance, guesses = number(record, f"pseudo_{head}_uniform_distance"), _guesses(head, record)
    if distance is None or not classes or classes < 2:
        return []
    name = _HEADS[head][0]
    if guesses is not None and guesses < _FEW_PER_CLASS * classes:
        return [
            Finding(
                f"Whether the {name}'s guesses favour some classes cannot be told from "
                f"{count(guesses, 'confident guess', 'confident guesses')} for {classes:,} classes."
            )
        ]
    relative = distance / (1 - 1 / classes)
    if relative >= _COLLAPSED:
        return [
            Finding(
                f"Collapse: nearly all of the {name}'s confident guesses fall on a few classes (distance {distance:.2f} from an "
                f"even spread, {1 - 1 / classes:.2f} would be a single class).",
                "alarm",
            )
        ]
    if relative >= _UNEVEN:
        return [
            Finding(
                f"The {name}'s confident guesses are uneven: {percent(distance, 0)} of them would have to change their class for "
                "an even spread.",
                "alarm",
            )
        ]
    return []


def _group_errors(head: str, record: Mapping[str, Any]) -> list[Finding]:
    share = number(record, f"pseudo_{head}_within_group_errors")
    if share is None:
        return []
    return [
        Finding(
            f"Of the {_HEADS[head][0]}'s wrong pseudo-labels, {percent(share)} named another class of the right label group."
        )
    ]


def _agreement(record: Mapping[str, Any]) -> list[Finding]:
    agreement = number(record, "pseudo_agreement")
    if agreement is None:
        return []
    text = f"The heads name the same class for {percent(agreement)} of the unlabelled images."
    by_class = number(record, "pseudo_precision_disagree_class")
    by_embedding = number(record, "pseudo_precision_disagree_emb")
    if by_class is None or by_embedding is None:
        return [Finding(text)]
    text += f" Where they disagree, the class head is right in {percent(by_class)} and the embedding head in "
    text += f"{percent(by_embedding)} of the cases"
    images = number(record, "pseudo_images")
    if images is not None and (1 - agreement) * images < _FEW_GUESSES:
        cases = count(round((1 - agreement) * images), "image")
        return [Finding(f"{text}, but these are only {cases}.")]
    if abs(by_class - by_embedding) < 0.02:
        return [Finding(f"{text}: neither is the better teacher.")]
    better, other = ("class", "embedding") if by_class > by_embedding else ("embedding", "class")
    return [Finding(f"{text}: the {better} head has something to teach the {other} head.")]


def _limits(history: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Say what the numbers rest on, and what they cannot show."""
    last = history[-1]
    images = number(last, "pseudo_images")
    has_diagnostics = any(name.startswith("pseudo_") for name in last)
    findings = []
    if images:
        findings.append(
            Finding(f"These numbers come from {count(int(images), 'unlabelled image')}, looked at after each epoch.")
        )
    if not has_diagnostics:
        findings.append(
            Finding(
                "This run recorded no diagnostics of its pseudo-labels, only how many were confident while it trained."
            )
        )
    elif not any(number(last, f"pseudo_{head}_precision") is not None for head in ("class", "emb", "both")):
        findings.append(
            Finding("Whether the pseudo-labels were right cannot be told: no confident guess has a known true class.")
        )
    else:
        findings.append(
            Finding("The true classes of the unlabelled images were used for these numbers only, never for training.")
        )
    if len(history) < 3:
        findings.append(Finding(f"With {count(len(history), 'epoch')} there is no trend to speak of."))
    return findings


def _guesses(head: str, record: Mapping[str, Any]) -> int | None:
    """How many confident guesses the epoch's sample held."""
    images, coverage = number(record, "pseudo_images"), number(record, f"pseudo_{head}_coverage")
    return None if images is None or coverage is None else round(images * coverage)
