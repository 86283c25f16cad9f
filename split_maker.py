"""Draw which training images are labelled: `python split_maker.py --help`."""

import sys
from collections.abc import Sequence

from utils.errors import run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code, 2 also for a split that does not fit."""

    def work() -> None:
        from loaders.dataset.split_command import run  # here, so that a package that is missing is told in one line

        run(sys.argv[1:] if argv is None else argv)

    return run_program(work)


if __name__ == "__main__":
    sys.exit(main())
