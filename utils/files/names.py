"""Names that come from outside: what makes one unfit for a log, a table or a path."""

import unicodedata

# Control characters, line separators and lone surrogates: they forge lines of a log, or cannot be written at all.
_UNFIT = {"Cc", "Zl", "Zp", "Cs"}
# They reverse the direction in which the text after them is shown.
_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LONGEST_PATH = 1000


def find_fault(name: str, longest: int = 200) -> str | None:
    """Say what keeps a name from being shown on one line, as the end of a sentence; None when nothing does."""
    if not name.strip():
        return "is empty"
    if any(unicodedata.category(char) in _UNFIT or char in _DIRECTIONS for char in name):
        return "holds control characters or bytes that are no text"
    if len(name) > longest:
        return f"is longer than {longest} characters"
    return None


def path_fault(name: str) -> str | None:
    """As `find_fault`, for a file name with `/` between its parts, which must not lead out of its folder either."""
    leads_out = name.startswith("/") or "\\" in name or ".." in name.split("/")
    return find_fault(name, _LONGEST_PATH) or ("is not inside the dataset folder" if leads_out else None)
