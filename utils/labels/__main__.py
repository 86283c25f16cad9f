"""Convert files of word vectors, match class names with them: `python -m utils.labels --help`."""

import sys
from collections.abc import Sequence

from utils.errors import run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code, 2 also when class names match no term."""

    def work() -> None:
        from utils.labels.command import run  # here, so that a package that is missing is told in one line

        run(sys.argv[1:] if argv is None else argv)

    return run_program(work)


if __name__ == "__main__":
    sys.exit(main())
