"""One look for every regulariser, in every chart: its colour, and lightness and dash by strength.

The first regularisers' colours are Okabe and Ito's, which people with any of the common colour
blindnesses can tell apart; the others' are as far from those and from each other as can be for
them. ``none`` is grey, as it is what the others are measured against.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dropexp.compare.results import Setting
from dropexp.config.classics import CLASSICS

COLOURS = {
    "none": "#757575",
    "dropout2d": "#0072b2",
    "spatial_dropout": "#e69f00",
    "dropconnect": "#009e73",
    "stochastic_depth": "#cc79a7",
    "dropout": "#d55e00",
    "dropblock": "#784878",
    "gaussian_dropout": "#a81800",
    "alpha_dropout": "#6048c0",
    "concrete_dropout": "#00c0d8",
    "unit_scaling": "#78c078",
    "shakedrop": "#a87848",
    "cutout": "#a81848",
    "mixup": "#901890",
    "cutmix": "#9060f0",
    "weight_decay": "#9900ee",
    "label_smoothing": "#bbaa55",
    "early_stopping": "#994433",
    "augmentation": "#9988ee",
}
"""Regulariser or classic → colour. Fixed, so that it is the same in every report."""

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


def colour(method: str) -> str:
    """The colour of a regulariser or a classic, #rrggbb."""
    if method in COLOURS:
        return COLOURS[method]
    # Not hash(), which is another one in every process.
    return _OTHERS[sum(method.encode()) % len(_OTHERS)]


def looks(settings: Sequence[Setting]) -> dict[str, Look]:
    """Setting's name → its look.

    The settings of one regulariser, or of one classic alone, share its colour: the strongest is
    drawn solid and in full, weaker ones lighter and with other dashes.
    """
    kinds: dict[str, list[Setting]] = {}
    for setting in settings:
        kinds.setdefault(setting.method, []).append(setting)
    found = {}
    for method, same in kinds.items():
        for rank, setting in enumerate(sorted(same, key=_weakness)):
            pale = _LIGHTEST * rank / max(len(same) - 1, 1)
            base = colour(method)
            found[setting.name] = Look(
                colour=_mixed(base, 255, pale),
                text=_mixed(base, 0, _LABEL_SHADE),
                dash=tuple(_DASHES[rank % len(_DASHES)]),
                label=setting.label,
            )
    return found


def _weakness(setting: Setting) -> tuple[float, list[float], str]:
    """To sort by: the strongest first, of classics alone the one with the largest numbers."""
    values = [CLASSICS[name].values(setting.fields) for name in setting.classics]
    numbers = [-v for each in values for v in each.values() if isinstance(v, int | float)]
    return -setting.p, numbers, setting.label


def _mixed(colour: str, grey: int, share: float) -> str:
    """A colour with a share of black (grey 0) or white (grey 255)."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (grey - part) * share):02x}" for part in parts)
