"""How class names and the terms of a vocabulary are spelt so that they can be compared."""

import re


def normalise(name: str) -> str:
    """Lower case; `-`, space and `/` become `_`; the token `the` goes; repeated and outer `_` go."""
    tokens = re.sub(r"[-\s/_]+", "_", name.lower()).strip("_").split("_")
    return "_".join(token for token in tokens if token != "the")
