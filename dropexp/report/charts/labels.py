"""Labels at the right end of lines: the room that they need, and how they avoid each other."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import altair as alt

from dropexp.report.charts.encodings import encode_text_colour, round_digits
from dropexp.report.charts.palette import Look
from dropexp.report.charts.panels import (
    HEIGHT,
    Datasets,
    Panel,
    Values,
    name_width_parameter,
)

_LETTER_PIXELS, _LABEL_PIXELS = 6.6, 15
_GAP_PIXELS = 20
"""Between a line's end and its label: room for a connector to a label that had to move."""
_CONNECTOR_PIXELS = 17
_ARROW_LETTERS = 2
_MOVED_PIXELS = 3  # a label that moved less is next to its line


def make_end_labels(
    datasets: Datasets,
    ends: Mapping[str, Mapping[str, Any]],
    looks: Mapping[str, Look],
    limits: tuple[float, float],
    x: str,
    height: int = HEIGHT,
) -> list[alt.Chart]:
    """Make the layers with the name of each line to the right of the line's end.

    Labels of which one had to move are connected with their lines. The label of a line that ends
    beyond the axis has an arrow.

    Args:
        datasets: the data sets of the panel; those of the labels are added.
        ends: setting → the data row of its line's end; ``point``, where the last point is, if it
            is not where the label is.
        looks: setting → look, with the label's text and colour.
        limits: the ends of the y axis.
        x: the field that stands on the x axis.
        height: of the chart, pixels.
    """
    values = [
        {
            "setting": name,
            x: end[x],
            "at": end[x],
            "from": end.get("point", end[x]),
            "end": round_digits(min(max(end["mean"], limits[0]), limits[1]), 6),
            "text": looks[name].text,
            "label": _point_outside(end["mean"], limits) + looks[name].label,
        }
        for name, end in ends.items()
    ]
    values, connectors = _place_labels(values, limits, height)
    labels = alt.Chart(datasets.add("labels", values)).encode(
        x=f"{x}:Q", y="place:Q", color=encode_text_colour()
    )
    lines = alt.Chart(datasets.add("connectors", connectors)).encode(
        x="from:Q", x2=f"{x}:Q", y="end:Q", y2="place:Q", color=encode_text_colour()
    )
    return [
        lines.mark_rule(strokeWidth=0.8, opacity=0.6, xOffset=2, x2Offset=_CONNECTOR_PIXELS),
        labels.mark_text(align="left", dx=_GAP_PIXELS).encode(text="label:N"),
    ]


def _place_labels(
    values: Values, limits: tuple[float, float], height: float
) -> tuple[Values, Values]:
    """Return the data rows of labels with their places, and those that need a connector.

    Labels at one place of the x axis, the field ``at``, avoid each other.
    """
    pixel = (limits[1] - limits[0]) / height
    distance = _LABEL_PIXELS * pixel
    inside = (limits[0] + distance / 2, limits[1] - distance / 2)
    by_place: dict[float, Values] = {}
    for value in values:
        by_place.setdefault(value["at"], []).append(value)
    placed = [
        {**value, "place": round_digits(place, 6)}
        for same in by_place.values()
        for value, place in zip(
            same,
            space_labels([value["end"] for value in same], distance, inside),
            strict=True,
        )
    ]
    moved = _MOVED_PIXELS * pixel
    # Beside connected labels, one without a connector would seem to belong to no line.
    apart = {each["at"] for each in placed if abs(each["place"] - each["end"]) > moved}
    return placed, [each for each in placed if each["at"] in apart]


def _point_outside(value: float, limits: tuple[float, float]) -> str:
    return "↑ " if value > limits[1] else "↓ " if value < limits[0] else ""


def space_again(panel: Panel, height: float) -> dict[str, Values]:
    """Return the data sets of a panel with its labels placed for another height in pixels."""
    data = dict(panel.data)
    labels, connectors = f"{panel.name}_labels", f"{panel.name}_connectors"
    if panel.limits is not None and labels in data:
        data[labels], data[connectors] = _place_labels(data[labels], panel.limits, height)
    return data


def measure_height(labels: int) -> int:
    """Return the height in pixels of a chart with so many labels at its right end."""
    return max(HEIGHT, (labels + 1) * _LABEL_PIXELS)


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


def measure_name(name: str) -> int:
    """Return the pixels that a name takes, with a gap behind it."""
    return round(len(name) * _LETTER_PIXELS) + _GAP_PIXELS


def measure_labels(looks: Mapping[str, Look], labelled: Collection[str]) -> int:
    """Return the pixels that the longest label needs.

    Args:
        looks: setting → look, with the label's text.
        labelled: the settings that have a label.
    """
    longest = max((len(looks[name].label) for name in labelled if name in looks), default=0)
    return round((longest + _ARROW_LETTERS) * _LETTER_PIXELS) + _GAP_PIXELS + 4
