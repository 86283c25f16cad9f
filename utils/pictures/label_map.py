"""The map of class vectors and their groups."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.labels.linkage import shortest_links, unit_vectors
from utils.labels.semantics import LabelSemantics
from utils.pictures.figures import Axes, Figure, LineCollection, drawing, new_figure, save_figure
from utils.pictures.lettering import choose_lettering
from utils.pictures.text_placement import leaders, place_names

# Okabe and Ito's palette, which colour-blind readers can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#9A8700")
_MARKERS = "os^Dv"
_GREY, _FAINT, _TEXT = "#9A9A9A", "#D0D0D0", "#333333"
_LISTED_GROUPS = 24


def plot_label_groups(run_folder: Path, semantics: LabelSemantics) -> Path:
    """Draw label_groups.png: a map of the class vectors, classes of a group linked and in one colour."""
    with drawing():
        figure = new_figure(13, 9)
        draw_label_map(figure, semantics)
        return save_figure(figure, run_folder / "label_groups.png")


def draw_label_map(figure: Figure, semantics: LabelSemantics) -> None:
    """Draw the unit class vectors by their first two principal components, classes of a group linked and in one colour.

    The links are each group's shortest ones by cosine, those along which DBSCAN grew it.
    """
    # Room for the names has to grow with their number; 150 fit the usual page.
    figure.set_size_inches(figure.get_size_inches() * max(1.0, math.sqrt(len(semantics.matches) / 150)))
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    axis = figure.subplots()
    unit = unit_vectors(semantics.vectors)
    places, shares = project(unit)
    lettering = choose_lettering([match.label for match in semantics.matches])
    labels = [lettering.write(match.label) for match in semantics.matches]
    groups = _shared_groups(semantics.grouping.ids)
    colours, lines = [_TEXT] * len(labels), [np.empty((0, 2))]
    for place, members in enumerate(groups):
        colour, marker = _look(place)
        links = members[np.array(shortest_links(unit[members]))]
        axis.add_collection(LineCollection(places[links], colors=colour, linewidths=1.2, alpha=0.6, zorder=2))
        lines += [np.linspace(*ends, 12) for ends in places[links]]
        axis.scatter(*places[members].T, color=colour, marker=marker, s=26, zorder=3)
        for member in members:
            colours[member] = colour
    alone = np.setdiff1d(np.arange(len(labels)), np.concatenate([[], *groups]))
    axis.scatter(*places[alone].T, color=_GREY, s=16, zorder=3)
    _label_axes(axis, semantics, shares)
    _list_groups(axis, [[labels[member] for member in members] for members in groups], lettering.families)
    _write_names(axis, places, labels, colours, families=lettering.families, lines=np.concatenate(lines))


def project(unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Project unit vectors (C, D) on their first two principal components.

    Returns:
        Places (C, 2), their signs fixed so that a picture does not flip, and the share of the variance in each of the two.
    """
    left, scale, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
    kept = min(2, len(scale))
    places, shares = np.zeros((len(unit), 2)), np.zeros(2)
    places[:, :kept] = left[:, :kept] * scale[:kept]
    shares[:kept] = scale[:kept] ** 2 / max(float((scale**2).sum()), np.finfo(float).tiny)
    furthest = places[np.abs(places).argmax(0), [0, 1]]
    return places * np.where(furthest < 0, -1, 1), shares


def _shared_groups(ids: np.ndarray) -> list[np.ndarray]:
    """Members of every group of several classes, the largest group first."""
    groups = [np.flatnonzero(ids == group) for group in np.unique(ids)]
    return sorted((members for members in groups if len(members) > 1), key=len, reverse=True)


def _look(place: int) -> tuple[str, str]:
    """Colour and marker of the place-th group: all colours in one marker, then in the next."""
    count = len(_COLOURS)
    return _COLOURS[place % count], _MARKERS[place // count % len(_MARKERS)]


def _label_axes(axis: Axes, semantics: LabelSemantics, shares: np.ndarray) -> None:
    grouping = semantics.grouping
    count = len(semantics.matches)
    found = ", each its own group" if grouping.count == count else f" in {grouping.count} groups"
    why = ", since grouping left too few" if grouping.degenerated else ""
    axis.set_title(f"{count} classes{found} (eps {grouping.eps:g}){why}", loc="left", fontsize=13)
    axis.set_xlabel(f"first principal component of the unit class vectors ({shares[0]:.0%} of variance)")
    axis.set_ylabel(f"second ({shares[1]:.0%})")
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(_FAINT)
    axis.tick_params(color=_FAINT, labelcolor="#777777", labelsize=8)
    axis.margins(0.09)


def _list_groups(axis: Axes, groups: Sequence[Sequence[str]], families: Sequence[str]) -> None:
    """List the groups of several classes at the right, by the names of their classes."""
    if not groups:
        return
    for place, names in enumerate(groups[:_LISTED_GROUPS]):
        colour, marker = _look(place)
        text = textwrap.fill(", ".join(names), 34, max_lines=4, placeholder=f" ... ({len(names)} classes)")
        axis.plot([], [], color=colour, marker=marker, markersize=5, label=text)
    if len(groups) > _LISTED_GROUPS:
        axis.plot([], [], linestyle="", label=f"and {len(groups) - _LISTED_GROUPS} more")
    legend = axis.legend(
        title="groups of several classes", alignment="left", frameon=False, prop={"family": list(families), "size": 9},
        loc="upper left", bbox_to_anchor=(1.01, 1.0),
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _write_names(
    axis: Axes,
    places: np.ndarray,
    names: Sequence[str],
    colours: Sequence[str],
    *,
    families: Sequence[str],
    lines: np.ndarray,
) -> None:
    """Write each name beside its point (C, 2), where it covers nothing, with a fine line to it from afar."""
    figure = axis.figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    size = 10.5 if len(names) <= 40 else 7.5
    # In pixels, which do not change any more. A text's own origin is its baseline; the box knows what hangs below it.
    texts = [
        axis.text(
            0, 0, name, transform=None, va="bottom", fontsize=size, fontfamily=families, color=colour, parse_math=False, zorder=4
        )
        for name, colour in zip(names, colours, strict=True)
    ]  # fmt: skip
    measured = np.array([text.get_window_extent().size for text in texts])
    points = axis.transData.transform(places)
    boxes = place_names(points, measured, frame=axis.get_window_extent().extents, lines=axis.transData.transform(lines))
    for text, box in zip(texts, boxes, strict=True):
        text.set_position(box[:2])
    far = leaders(points, boxes, longer_than=1.3 * float(np.median(measured[:, 1])))
    axis.add_collection(LineCollection(far, colors=_GREY, linewidths=0.6, zorder=1, transform=None), autolim=False)
