"""Turn a source of images into a dataset folder: `python -m loaders.prepare --help`."""

import sys
from collections.abc import Sequence

from utils.errors import run_program


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""

    def work() -> None:
        from loaders.prepare.command import run  # here, so that a package that is missing is told in one line

        run(sys.argv[1:] if argv is None else argv)

    return run_program(work)


if __name__ == "__main__":
    sys.exit(main())
