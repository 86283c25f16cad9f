"""What a user can mend, as opposed to a bug."""


class SemcoError(Exception):
    """A user's mistake. The message is one line: what is wrong, what was expected, how to mend it.

    The command-line programs print it without a traceback and exit with code 2; every other exception is a bug and
    keeps its traceback.
    """

    def __init__(self, message: str) -> None:
        # A file name or class name may hold line breaks or terminal escapes: the promise of one plain line must survive them.
        super().__init__("".join(char if char.isprintable() else repr(char)[1:-1] for char in message))
