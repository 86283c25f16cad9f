"""What `python -m utils.labels match` shows below the table: groups at several radii, look-alikes, matches worth a look."""

from collections.abc import Iterator

from utils.errors import one_line
from utils.labels.grouping import fitted_eps
from utils.labels.insight import outsiders, similar_pairs
from utils.labels.linkage import link_classes
from utils.labels.semantics import LabelSemantics
from utils.labels.table import align

_RADII = (0.05, 0.1, 0.15, 0.2, 0.25, 0.28, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8)
_LISTED = 10
# Of few classes, fewer are worth a look.
_OUTSIDE_SHARE = 4


def format_radii(semantics: LabelSemantics) -> str:
    """Lay out how many groups several radii give, among them the one in use and the largest that keeps groups small."""
    compared = semantics.vectors if semantics.compared is None else semantics.compared
    linkage = link_classes(compared)
    fitted = fitted_eps(compared)
    radii = sorted({*_RADII, fitted, *([semantics.grouping.eps] if semantics.grouping.eps else [])})
    rows = [("eps", "groups", "of several classes", "classes in those", "largest", "")]
    for radius in radii:
        sizes = linkage.sizes(radius)
        several = [size for size in sizes if size > 1]
        notes = [
            *(["in use"] if radius == semantics.grouping.eps else []),
            *(["the largest without a group of over 15% of the classes"] if radius == fitted else []),
        ]
        cells = (f"{radius:g}", len(sizes), len(several), sum(several), sizes[0], ", ".join(notes))
        rows.append(tuple(map(str, cells)))
    what = "cosine distance" if semantics.compared is None else "cosine distance of vectors less their mean"
    return "\n".join([f"groups at several radii ({what}):", *align(rows)])


def format_neighbours(semantics: LabelSemantics) -> str:
    """Lay out the most similar pairs of classes, and the classes that are like no other."""
    count = len(semantics.matches)
    if count < 2:
        return ""
    names = [one_line(match.label) for match in semantics.matches]

    def outside() -> Iterator[tuple[str, ...]]:
        for pair in outsiders(semantics.vectors, min(_LISTED, max(1, count // _OUTSIDE_SHARE))):
            match = semantics.matches[pair.one]
            yield names[pair.one], one_line(match.term), match.rule, names[pair.other], f"{pair.cosine:.2f}"

    pairs = [
        (names[pair.one], names[pair.other], f"{pair.cosine:.2f}") for pair in similar_pairs(semantics.vectors, _LISTED)
    ]
    return "\n".join(
        [
            "most similar classes (cosine):",
            *align(pairs),
            "far from all other classes, so perhaps the wrong meaning (nearest class, cosine):",
            *align([("class", "term", "rule", "nearest", "cosine"), *outside()]),
        ]
    )


def describe_preview(semantics: LabelSemantics) -> str:
    """Put all of it together."""
    return "\n".join(part for part in (format_radii(semantics), format_neighbours(semantics)) if part)
