"""Draw the learning curves of a run, also of one that is still training: `python -m utils.pictures RUN`."""

import sys
from collections.abc import Sequence

from utils.errors import run_program
from utils.flags.arguments import OneLineParser, path_argument


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""

    def work() -> None:
        values = _parser().parse(sys.argv[1:] if argv is None else list(argv))
        from utils.pictures.learning_curves import plot_learning_curves  # matplotlib, which --help does without

        print(plot_learning_curves(values.run_folder))

    return run_program(work)


def _parser() -> OneLineParser:
    parser = OneLineParser(
        prog="python -m utils.pictures",
        description="Draw the learning curves of a run from its metrics.jsonl; a run that is still training will do.",
    )
    parser.add_argument(
        "run_folder", type=path_argument, metavar="RUN", help="run folder; learning_curves.png is put into it"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
