"""A run folder -> report.html: one file that needs nothing else, the same bytes for the same files."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from utils.errors import SemcoError
from utils.files.atomic import write_text
from utils.pictures.report_charts import calibration_charts, learning_charts, pseudo_charts
from utils.records.methods import backbone, changed_flags, method_name, spell_flag
from utils.records.published import read_published
from utils.records.run_files import RunFiles, best_epoch, number, read_run
from utils.results.class_tables import class_rows, confusion_view, frequent_confusions
from utils.results.gallery import describe, label_map, make_galleries
from utils.results.story import tell_story
from utils.results.verdict import judge
from utils.results.wording import count, duration, percent, shortened

REPORT = "report.html"
_TEMPLATES = Path(__file__).parent / "templates"
# Rules that find a class's own name need no second look.
_PLAIN_RULES = ("exact", "singular", "given", "embedder")
_SHOWN = 30


def write_report(run_folder: Path) -> Path:
    """Write report.html from the files of a run folder, and of the supervised run beside it; returns its path.

    Raises:
        SemcoError: it is no run folder, no epoch is finished, a file is damaged, or the report cannot be written.
    """
    run = read_run(run_folder)
    path = run_folder / REPORT
    try:
        text = render("report.html.j2", _describe(run))
    except (KeyError, TypeError, IndexError) as error:
        if run.evaluation is None or _is_intact(run.evaluation):
            raise
        raise SemcoError(
            f"{run_folder / 'evaluation.json'} is damaged ({error!r}): restore it, or remove it for a report without it"
        ) from error
    write_text(path, text)
    return path


def render(template: str, content: Mapping[str, Any]) -> str:
    """Fill in a template. Everything in `content` is escaped: names of classes and files come from strangers."""
    loader = FileSystemLoader(_TEMPLATES)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "percent": percent,
        "shortened": shortened,
        "spelt": _spelt,
        "with_flags": with_flags,
        "one_flag_a_line": _one_flag_a_line,
    }
    return environment.get_template(template).render(content)


def _describe(run: RunFiles) -> dict[str, Any]:
    """Everything that the template shows."""
    verdict = judge(run, read_published())
    evaluation = run.evaluation if run.evaluation and run.evaluation.get("heads") else None
    epoch = run.history[-1]["epoch"]
    return {
        "run": run,
        "method": method_name(run.flags),
        "backbone": backbone(run.flags),
        "epochs": count(epoch, "epoch"),
        "verdict": verdict,
        "findings": tell_story(
            run.history, run.settings, classes=run.resolved.get("classes"), grouped=bool(_groups(run))
        ),
        "pool": sorted(run.pool, key=_pool_order),
        "pseudo_charts": _marked(pseudo_charts(run.history, run.flags)),
        "facts": _facts(run),
        "command": run.command or _rebuilt_command(run.flags),
        "command_is_rebuilt": run.command is None,
        "changed": [(name, spell_flag(name, value)) for name, value in changed_flags(run.flags).items()],
        "charts": _marked(learning_charts(run.history, run.flags)),
        "evaluation": evaluation,
        "uses_both": bool(run.flags["lambda_emb"]),
        "evaluated_epoch": _evaluated_epoch(run) if evaluation else "",
        **(_evaluation_parts(evaluation, run.flags) if evaluation else {}),
        "galleries": make_galleries(run),
        "image_folder": describe(run.flags),
        "label_map": label_map(run.folder),
        "odd_labels": [row for row in run.labels if row.rule not in _PLAIN_RULES],
        "groups": _groups(run),
        "shown": _SHOWN,
        "folder_argument": shlex.quote("/".join(run.folder.resolve().parts[-4:])),
    }


def _evaluation_parts(evaluation: Mapping[str, Any], flags: Mapping[str, Any]) -> dict[str, Any]:
    heads = {"class": "class head", **({"embedding": "embedding head"} if flags["lambda_emb"] else {})}
    return {
        "classes": class_rows(evaluation),
        "matrices": [confusion_view(evaluation, head, name) for head, name in heads.items()],
        "confusions": frequent_confusions(evaluation, "class", 12),
        "errors": [(name, evaluation["heads"][head]["errors"]) for head, name in heads.items()],
        "agreement": evaluation["agreement"],
        "calibration": _calibration_words(evaluation, heads),
        "calibration_charts": _marked(calibration_charts(evaluation, flags)),
    }


def _is_intact(evaluation: Mapping[str, Any]) -> bool:
    """True when the parts that the report needs are all there, so that a fault is a bug of this program."""
    try:
        _evaluation_parts(evaluation, {"lambda_emb": 1})
    except (KeyError, TypeError, IndexError):
        return False
    return True


def _marked(charts: list) -> list[tuple[Any, Markup]]:
    """Charts with their SVG declared safe: it is drawn here, from numbers and fixed words."""
    return [(chart, Markup(chart.svg)) for chart in charts]


def _facts(run: RunFiles) -> list[tuple[str, str]]:
    """What was run, as pairs of a name and a value; what is not recorded is left out."""
    resolved, environment = run.resolved, run.environment
    seconds = sum(number(record, "seconds") or 0 for record in run.history)
    evaluating = sum(number(record, "evaluation_seconds") or 0 for record in run.history)
    speed = number(run.history[-1], "images_per_second")
    pairs = [
        ("Method", method_name(run.flags)),
        ("Network", f"{backbone(run.flags)}{_in_brackets(_parameters(resolved.get('parameters')))}"),
        ("Dataset", f"{run.flags['dataset_name']}, {count(resolved.get('classes') or 0, 'class', 'classes')}"),
        ("Labelled images", _thousands(resolved.get("labelled_images"))),
        ("Unlabelled images", _thousands(resolved.get("unlabelled_images"))),
        ("Validation images", _join(_thousands(resolved.get("validation_images")), resolved.get("validation_source"))),
        ("Label groups", _thousands(resolved.get("num_groups"))),
        ("Length", f"{count(run.history[-1]['epoch'], 'epoch')}, {count(int(run.history[-1].get('step', 0)), 'step')}"),
        ("Seed", str(run.flags["seed"])),
        ("Time", f"{duration(seconds)} training{f', {duration(evaluating)} evaluating' if evaluating else ''}"),
        ("Speed", f"{speed:,.0f} images/s" if speed else ""),
        ("Device", _join(resolved.get("device"), resolved.get("precision"), _processes(resolved.get("processes")))),
        ("Fingerprints", _join(*(f"{name.replace('_', ' ')} {resolved[name][:16]}" for name in _DIGESTS if resolved.get(name)))),
        ("Code", _commit(environment.get("git_commit"))),
        ("Machine", str(environment.get("platform") or "")),
        ("Versions", ", ".join(f"{name} {value}" for name, value in environment.items() if name not in _ELSEWHERE and value)),
    ]  # fmt: skip
    return [(name, value) for name, value in pairs if value]


_DIGESTS = ("labelled_split", "training_set", "validation_set", "validation_split")
_ELSEWHERE = ("git_commit", "platform")


def _rebuilt_command(flags: Mapping[str, Any]) -> str:
    words = []
    for name, value in changed_flags(flags).items():
        flag, _, text = spell_flag(name, value).partition(" ")
        words += [flag, shlex.quote(text)] if text else [flag]
    return " ".join(["python run_semco.py", *words])


def _evaluated_epoch(run: RunFiles) -> str:
    """Which epoch's network evaluation.json is about, as far as its accuracies tell."""
    found = 100 * run.evaluation["heads"]["class"]["top1"]["accuracy"]  # type: ignore[index]
    for name, record in (("last epoch", run.history[-1]), ("best epoch", best_epoch(run))):
        if abs((number(record, "top1") or -1) - found) <= max(0.1, 200 / run.evaluation["images_with_truth"]):  # type: ignore[index]
            return f"the {name}'s network, number {record['epoch']}"
    return "a network whose accuracy is that of neither the last nor the best epoch"


def _calibration_words(evaluation: Mapping[str, Any], heads: Mapping[str, str]) -> list[str]:
    sentences = []
    for head, name in heads.items():
        measured = evaluation["heads"][head]
        mean, accuracy = measured["calibration"]["mean_confidence"], measured["top1"]["accuracy"]
        gap = abs(mean - accuracy)
        verdict = "is well calibrated" if gap < 0.02 else "is overconfident" if mean > accuracy else "is underconfident"
        sentences.append(
            f"The {name} {verdict}: it is {percent(mean)} sure on average and right in {percent(accuracy)} of the cases; its "
            f"expected calibration error is {percent(measured['calibration']['error'])}."
        )
    return sentences


def _groups(run: RunFiles) -> list[list[str]]:
    """Names of the classes of every label group that holds several, the largest first."""
    members: dict[str, list[str]] = {}
    for row in run.labels:
        members.setdefault(row.group, []).append(row.name)
    return sorted((names for names in members.values() if len(names) > 1), key=len, reverse=True)


def _pool_order(row: Mapping[str, Any]) -> tuple[bool, float]:
    """Classes whose pseudo-labels were wrong most often first, then those that got most of them."""
    guesses, right = row["class_confident"], row["class_right"]
    return not guesses, -float(guesses) if right is None else right / max(guesses, 1)


def _spelt(value: float | None) -> str:
    """A share as a percentage without its sign, a dash where it is undefined."""
    return "\N{EN DASH}" if value is None else f"{100 * value:.1f}"


def _one_flag_a_line(command: str) -> str:
    """Break a command before its flags, in a way that a shell still reads."""
    try:
        words = [shlex.quote(word) for word in shlex.split(command)]
    except ValueError:  # a quote that does not end: what is recorded is shown as it is
        return command
    return "".join((" \\\n    " if word.startswith("--") else " ") + word for word in words).strip(" ")


def with_flags(sentence: str) -> Markup:
    """Set the flags in a sentence, and the number behind each, as code; all else is escaped."""
    parts = re.split(r"(--[a-z][a-z-]*(?: [0-9][0-9.]*(?![0-9.]*[A-Za-z%]))?)", sentence)
    # Every second part is a flag. A full stop behind a number ends the sentence.
    return Markup("").join(_code(part) if place % 2 else escape(part) for place, part in enumerate(parts))


def _code(flag: str) -> Markup:
    kept = flag.rstrip(".")
    return Markup("<code>{}</code>{}").format(kept, flag[len(kept) :])


def _commit(name: str | None) -> str:
    """The commit's first characters, with `-dirty` where there were changes on top of it."""
    commit, _, state = (name or "").partition("-")
    return f"{commit[:12]}{', with local changes' if state else ''}"


def _parameters(number_of: int | None) -> str:
    return f"{number_of / 1e6:.1f} million parameters" if number_of else ""


def _processes(number_of: int | None) -> str:
    return count(number_of, "process", "processes") if number_of and number_of > 1 else ""


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _thousands(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _join(*texts: str | None) -> str:
    return "; ".join(str(text) for text in texts if text)
