"""Labels at the right end of lines: the room that they need, and how they avoid each other."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import altair as alt

from dropexp.report.charts.encodings import encode_text_colour, round_digits
from dropexp.report.charts.palette import Look
from dropexp.report.charts.panels import HEIGHT, Datasets, name_width_parameter

_LETTER_PIXELS, _GAP_PIXELS, _LABEL_PIXELS = 6.6, 8, 15


def make_end_labels(
    datasets: Datasets,
    ends: Mapping[str, Mapping[str, Any]],
    looks: Mapping[str, Look],
    limits: tuple[float, float],
    x: str,
) -> alt.Chart:
    """Make a layer with the name of each line to the right of the line's end.

    Args:
        datasets: the data sets of the panel; those of the labels are added.
        ends: setting → the data row of its line's end.
        looks: setting → look, with the label's text and colour.
        limits: the ends of the y axis.
        x: the field that stands on the x axis.
    """
    distance = _LABEL_PIXELS / HEIGHT * (limits[1] - limits[0])
    wanted = [end["mean"] for end in ends.values()]
    inside = (limits[0] + distance / 2, limits[1] - distance / 2)
    places = space_labels(wanted, distance, inside)
    values = [
        {
            "setting": name,
            x: end[x],
            "mean": round_digits(place),
            "text": looks[name].text,
            "label": looks[name].label,
        }
        for (name, end), place in zip(ends.items(), places, strict=True)
    ]
    labels: alt.Chart = (
        alt.Chart(datasets.add("labels", values))
        .mark_text(align="left", dx=_GAP_PIXELS)
        .encode(x=f"{x}:Q", y="mean:Q", text="label:N", color=encode_text_colour())
    )
    return labels


def space_labels(
    places: Sequence[float], distance: float, limits: tuple[float, float]
) -> list[float]:
    """Return label positions at a minimum distance, each moved as little as possible.

    Args:
        places: the wanted positions, in any order.
        distance: the smallest distance between neighbours, in the unit of places.
        limits: the smallest and the largest position that the chart's edge does not cut. If there
            is too little room, labels go below the smallest.

    Returns:
        The new positions, in the order of places.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    # Groups of labels that touch, each centred on the mean of its members' wanted positions.
    groups: list[list[int]] = []
    for index in order:
        groups.append([index])
        while len(groups) > 1 and _is_overlapping(groups[-2], groups[-1], places, distance):
            last = groups.pop()
            groups[-1] += last
    spaced = [0.0] * len(places)
    free_from, free_to = limits
    for group in groups:
        start = max(_start_of(group, places, distance), free_from)
        for rank, index in enumerate(group):
            spaced[index] = start + rank * distance
        free_from = start + len(group) * distance
    for index in reversed(order):
        spaced[index] = min(spaced[index], free_to)
        free_to = spaced[index] - distance
    return spaced


def _is_overlapping(
    below: Sequence[int], above: Sequence[int], places: Sequence[float], distance: float
) -> bool:
    end = _start_of(below, places, distance) + distance * len(below)
    return _start_of(above, places, distance) < end


def _start_of(group: Sequence[int], places: Sequence[float], distance: float) -> float:
    middle = sum(places[index] for index in group) / len(group)
    return middle - distance * (len(group) - 1) / 2


def leave_label_room(panel: str, looks: Mapping[str, Look], labelled: Collection[str]) -> list[Any]:
    """Return the range of an x scale that ends where the labels begin.

    The labels stand inside the chart because Vega removes text outside of it on every update.
    """
    return [0, {"expr": f"{name_width_parameter(panel)} - {measure_labels(looks, labelled)}"}]


def measure_labels(looks: Mapping[str, Look], labelled: Collection[str]) -> int:
    """Return the pixels that the longest label needs.

    Args:
        looks: setting → look, with the label's text.
        labelled: the settings that have a label.
    """
    longest = max((len(looks[name].label) for name in labelled if name in looks), default=0)
    return round(longest * _LETTER_PIXELS) + _GAP_PIXELS + 4
