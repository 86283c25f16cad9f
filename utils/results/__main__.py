"""Draw a run's report, compare runs: `python -m utils.results --help`."""

import argparse
import sys
from collections.abc import Sequence

from utils.errors import run_program
from utils.files.atomic import write_text
from utils.flags.arguments import OneLineParser, path_argument
from utils.records.run_files import find_runs

_REPORT = "write report.html into each run folder"
_COMPARE = "put runs side by side: repetitions together, variants pair by pair"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""

    def work() -> None:
        values = _parser().parse(sys.argv[1:] if argv is None else list(argv))
        values.run(values)

    return run_program(work)


def _report(values: argparse.Namespace) -> None:
    from utils.results.report import write_report  # matplotlib and scikit-learn, which --help does without

    for path in values.runs:
        for folder in find_runs(path):
            print(write_report(folder))


def _compare(values: argparse.Namespace) -> None:
    from utils.results.compare import compare_runs
    from utils.results.compare_text import format_comparison

    folders = [folder for path in values.runs for folder in find_runs(path)]
    comparison = compare_runs(
        folders, statistic=values.statistic, metric=values.metric, with_published=values.published
    )
    text = format_comparison(comparison, values.format)
    if values.output is None:
        print(text, end="")
    else:
        write_text(values.output, text)
        print(values.output)


def _parser() -> OneLineParser:
    parser = OneLineParser(prog="python -m utils.results", description="Draw a run's report, compare runs.")
    parsers = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=OneLineParser)
    report = parsers.add_parser("report", help=_REPORT, description=_REPORT)
    _add_runs(report)
    report.set_defaults(run=_report)
    _add_compare(parsers.add_parser("compare", help=_COMPARE, description=_COMPARE))
    return parser


def _add_runs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="+", type=path_argument, metavar="RUN", help="run folder, or a folder that contains run folders"
    )


def _add_compare(parser: argparse.ArgumentParser) -> None:
    _add_runs(parser)
    parser.add_argument(
        "--statistic", choices=("last", "best", "median20", "mean20"), default="last",
        help="last or best epoch, or median or mean of the last 20; best is chosen on the validation images (default: last)",
    )  # fmt: skip
    parser.add_argument(
        "--metric", choices=("top1", "top1_emb", "top1_combined"), default="top1",
        help="top-1 accuracy of the class head, of the embedding head, or of both together (default: top1)",
    )  # fmt: skip
    parser.add_argument(
        "--published", action="store_true", help="add recipes/published.csv's figures for the same dataset and labels"
    )
    parser.add_argument(
        "--format", choices=("markdown", "latex", "csv", "html"), default="markdown", help="(default: markdown)"
    )
    parser.add_argument("--output", type=path_argument, metavar="FILE", help="where to write it (default: the screen)")
    parser.set_defaults(run=_compare)


if __name__ == "__main__":
    sys.exit(main())
