"""A comparison as Markdown, LaTeX, CSV or HTML."""

import csv
import io
from collections.abc import Callable, Sequence

from utils.records.published import PublishedFigure, plain_name
from utils.results.compare import METRICS, STATISTICS, Comparison, Pair, Variant

_HEADINGS = ("dataset", "labels", "method", "network", "steps", "n", "accuracy, %", "seeds")
_PAIR_HEADINGS = ("dataset", "labels", "comparison", "pairs", "difference, points", "95% interval")
_MINUS = "\N{MINUS SIGN}"


def format_comparison(comparison: Comparison, form: str) -> str:
    """Write a comparison in one of `FORMATS`, ending with a line break."""
    return FORMATS[form](comparison)


def comparison_rows(comparison: Comparison) -> tuple[list[tuple[str, ...]], list[tuple[str, ...]]]:
    """The cells of both tables, as texts: the variants, each task's published figures behind its own, and the pairs."""
    rows = [((one.dataset, one.labels), _variant_row(one)) for one in comparison.variants]
    # A dataset may be written in another way there: mini-imagenet, mini_imagenet.
    rows += [((figure.dataset, figure.labels), _published_row(figure)) for figure in comparison.published]
    rows.sort(key=lambda row: (plain_name(row[0][0]), row[0][1]))
    return [cells for _, cells in rows], [_pair_row(pair) for pair in comparison.pairs]


def caption(comparison: Comparison) -> str:
    """What the table's figures are."""
    text = f"{METRICS[comparison.metric]}, {STATISTICS[comparison.statistic]}; mean ± standard deviation (n {_MINUS} 1)"
    return text[0].upper() + text[1:]


def _to_markdown(comparison: Comparison) -> str:
    rows, pairs = comparison_rows(comparison)
    parts = [caption(comparison) + ".", _markdown_table(_HEADINGS, rows)]
    if pairs:
        parts += [
            "Paired differences, on the splits and seeds that both have, with Student's interval:",
            _markdown_table(_PAIR_HEADINGS, pairs),
        ]
    parts += ["\n".join(f"- {_escape_markdown(note)}" for note in comparison.notes)] if comparison.notes else []
    return "\n\n".join(parts) + "\n"


def _markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [list(headings), *([_escape_markdown(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _to_latex(comparison: Comparison) -> str:
    rows, pairs = comparison_rows(comparison)
    parts = [f"% {caption(comparison)}; needs the package booktabs", _latex_table("lrllrrll", _HEADINGS, rows)]
    if pairs:
        parts += ["% paired differences", _latex_table("lrlrrl", _PAIR_HEADINGS, pairs)]
    parts += [f"% {note}" for note in comparison.notes]
    return "\n".join(parts) + "\n"


def _latex_table(columns: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [" & ".join(map(_escape_latex, row)) + r" \\" for row in (headings, *rows)]
    body = "\n".join([r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"])
    return f"\\begin{{tabular}}{{{columns}}}\n{body}\n\\end{{tabular}}"


def _to_csv(comparison: Comparison) -> str:
    """One line per variant and per pair, numbers at full precision; the first column says which of the two it is."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("kind", "dataset", "labels", "method", "against", "network", "steps", "n", "unfinished", "metric", "statistic", "mean",
         "standard_deviation", "low", "high", "seeds", "source")
    )  # fmt: skip
    named = (comparison.metric, comparison.statistic)
    for one in comparison.variants:
        writer.writerow(
            ("runs", one.dataset, one.labels, one.name, "", one.backbone, one.steps, one.count, one.unfinished, *named,
             one.mean, one.deviation, "", "", " ".join(map(str, one.seeds)), "")
        )  # fmt: skip
    for figure in comparison.published:
        writer.writerow(
            ("published", figure.dataset, figure.labels, figure.method, "", figure.backbone, "", figure.seeds, "", "top1",
             figure.statistic, figure.accuracy, figure.spread, "", "", "", figure.source)
        )  # fmt: skip
    for pair in comparison.pairs:
        difference = pair.difference
        writer.writerow(
            ("difference", pair.dataset, pair.labels, pair.first, pair.second, "", "", difference.count, "", *named,
             difference.mean, "", difference.low, difference.high, "", "")
        )  # fmt: skip
    return text.getvalue()


def _to_html(comparison: Comparison) -> str:
    from utils.results.report import render  # jinja2 and matplotlib, which no other format needs

    rows, pairs = comparison_rows(comparison)
    return render(
        "compare.html.j2",
        {
            "caption": caption(comparison),
            "headings": _HEADINGS,
            "rows": rows,
            "pair_headings": _PAIR_HEADINGS,
            "pairs": pairs,
            "notes": comparison.notes,
        },
    )


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "markdown": _to_markdown,
    "latex": _to_latex,
    "csv": _to_csv,
    "html": _to_html,
}


def _variant_row(variant: Variant) -> tuple[str, ...]:
    mean, deviation = variant.mean, variant.deviation
    accuracy = "" if mean is None else f"{mean:.2f}" if deviation is None else f"{mean:.2f} ± {deviation:.2f}"
    runs = str(variant.count) + (f" + {variant.unfinished} unfinished" if variant.unfinished else "")
    seeds = ", ".join(map(str, variant.seeds[:10])) + (", ..." if len(variant.seeds) > 10 else "")
    labels, steps = f"{variant.labels:,}", f"{variant.steps:,}"
    return (variant.dataset, labels, variant.name, variant.backbone, steps, runs, accuracy, seeds)


def _published_row(figure: PublishedFigure) -> tuple[str, ...]:
    accuracy = f"{figure.accuracy:.2f}" + (f" ± {figure.spread:.2f}" if figure.spread is not None else "")
    name = f"{figure.method}, published" + (f", mu {figure.mu}" if figure.mu else "")
    name += f" ({figure.statistic if figure.statistic != 'not stated' else 'statistic not stated'})"
    network = figure.backbone or "not stated"
    return (figure.dataset, f"{figure.labels:,}", name, network, "", figure.seeds, accuracy, "")


def _pair_row(pair: Pair) -> tuple[str, ...]:
    found = pair.difference
    interval = "one pair: none" if found.low is None else f"{_signed(found.low)} to {_signed(found.high)}"
    names = f"{pair.first} {_MINUS} {pair.second}"
    return (pair.dataset, f"{pair.labels:,}", names, str(found.count), _signed(found.mean), interval)


def _signed(value: float | None) -> str:
    return f"{value:+.2f}".replace("-", _MINUS)


def _escape_markdown(text: str) -> str:
    for character in "\\|<>`*_":
        text = text.replace(
            character, f"\\{character}" if character not in "<>" else {"<": "&lt;", ">": "&gt;"}[character]
        )
    return text


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", _MINUS: "$-$",
}  # fmt: skip


def _escape_latex(text: str) -> str:
    # Two hyphens would be drawn as a dash, and flags begin with two.
    return "".join(_LATEX.get(character, character) for character in text).replace("--", "-{}-")
