"""One look for every regulariser, in every chart: its colour, and lightness and dash by strength.

The colours are Okabe and Ito's, which people with any of the common colour blindnesses can tell
apart; ``none`` is grey, as it is what the others are measured against.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dropexp.comparison import Setting

COLOURS = {
    "none": "#757575",
    "dropout2d": "#0072b2",
    "spatial_dropout": "#e69f00",
    "dropconnect": "#009e73",
    "stochastic_depth": "#cc79a7",
    "dropout": "#d55e00",
}
"""Regulariser → colour. Fixed, so that it is the same in every report."""

_OTHERS = ("#56b4e9", "#7a4fb5", "#8c6d31")  # of regularisers that somebody adds
_DASHES = ([1, 0], [7, 3], [3, 2], [8, 3, 2, 3], [1, 3])
_LIGHTEST = 0.4  # share of white
_LABEL_SHADE = 0.3  # share of black: text is thinner than a line and needs more contrast


@dataclass(frozen=True, slots=True)
class Look:
    """How a setting is drawn."""

    colour: str  # of lines and dots, #rrggbb
    text: str  # of words, #rrggbb
    dash: tuple[int, ...]  # lengths in pixels: drawn, not drawn, …
    label: str  # the regulariser, its p and options


def colour(regulariser: str) -> str:
    """A regulariser's colour, #rrggbb."""
    if regulariser in COLOURS:
        return COLOURS[regulariser]
    # Not hash(), which is another one in every process.
    return _OTHERS[sum(regulariser.encode()) % len(_OTHERS)]


def looks(settings: Sequence[Setting]) -> dict[str, Look]:
    """Setting's name → its look.

    The settings of one regulariser share its colour: the strongest is drawn solid and in full,
    weaker ones lighter and with other dashes.
    """
    kinds: dict[str, list[Setting]] = {}
    for setting in settings:
        kinds.setdefault(setting.regulariser, []).append(setting)
    found = {}
    for regulariser, same in kinds.items():
        for rank, setting in enumerate(sorted(same, key=lambda each: (-each.p, each.label))):
            pale = _LIGHTEST * rank / max(len(same) - 1, 1)
            base = colour(regulariser)
            found[setting.name] = Look(
                colour=_mixed(base, 255, pale),
                text=_mixed(base, 0, _LABEL_SHADE),
                dash=tuple(_DASHES[rank % len(_DASHES)]),
                label=setting.label,
            )
    return found


def _mixed(colour: str, grey: int, share: float) -> str:
    """A colour with a share of black (grey 0) or white (grey 255)."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (grey - part) * share):02x}" for part in parts)
