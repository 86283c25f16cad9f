"""Numbers in sentences."""


def percent(share: float, digits: int = 1) -> str:
    """Write a share, 0 to 1, as a percentage; what is not quite none or all is not rounded to it."""
    smallest = 10.0 ** -(digits + 2)
    if 0 < share < smallest / 2:
        return f"under {100 * smallest:.{digits}f}%"
    if 1 - smallest / 2 < share < 1:
        return f"over {100 * (1 - smallest):.{digits}f}%"
    return f"{100 * share:.{digits}f}%"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Write a number with its noun: 1 epoch, 2,000 epochs."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def higher(difference: float) -> str:
    """Say how a percentage stands to another one that it exceeds by `difference` points."""
    if abs(difference) < 0.05:
        return "is level with it"
    return f"is {abs(difference):.1f} percentage points {'higher' if difference > 0 else 'lower'}"


def duration(seconds: float) -> str:
    """Write a time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def shortened(text: str, longest: int = 60) -> str:
    """Cut a text that is too long for its place."""
    return text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
