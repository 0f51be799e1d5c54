"""The look of every setting, the same in all charts: colour by regulariser, dash by strength.

The first regularisers have the colours of Okabe and Ito, which stay distinct under the common
kinds of colour blindness. The others were chosen for the largest distance to all colours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dropexp.compare.highlights import select_rows_in_context
from dropexp.compare.results import Comparison
from dropexp.compare.settings import Setting
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
    "max_norm": "#660044",
}
"""Regulariser or classic → colour, the same in every report; ``none`` is grey."""

_OTHERS = ("#56b4e9", "#7a4fb5", "#8c6d31")  # for regularisers that are not in COLOURS
_FOREIGN = tuple(colour for name, colour in COLOURS.items() if name != "none")
_DASHES = ([1, 0], [7, 3], [3, 2], [8, 3, 2, 3], [1, 3])
_DOTTED = (2, 4)  # unlike the dashes of strengths
_LIGHTEST = 0.4  # share of white in the colour of the weakest setting
_LABEL_SHADE = 0.3  # share of black in a label: thin text needs more contrast than a line


@dataclass(frozen=True, slots=True)
class Look:
    """How a setting is drawn."""

    colour: str  # of lines and dots, #rrggbb
    text: str  # the colour of its label, #rrggbb
    dash: tuple[int, ...]  # lengths in pixels: drawn, not drawn, …
    label: str  # the regulariser, its p and options


def choose_colour(method: str) -> str:
    """Return the colour of a regulariser or a classic, #rrggbb."""
    # Not hash(), which differs from process to process.
    return COLOURS.get(method) or _OTHERS[sum(method.encode()) % len(_OTHERS)]


def assign_looks(settings: Sequence[Setting]) -> dict[str, Look]:
    """Return the name of each setting → its look.

    The settings of one regulariser, or of one classic alone, share its colour. The strongest
    setting has the pure colour and a solid line; weaker ones are lighter, with other dashes.
    Settings that differ in another field only, such as the number of training images, differ in
    the dash; the first of them has the one of its strength.
    """
    by_method: dict[str, list[Setting]] = {}
    for setting in settings:
        by_method.setdefault(setting.method, []).append(setting)
    looks = {}
    foreign = [method for method, same in by_method.items() if same[0].own_name]
    for method, same in by_method.items():
        colour = choose_colour(method)
        if method in foreign:
            colour = _FOREIGN[foreign.index(method) % len(_FOREIGN)]
        by_strength: dict[str, list[Setting]] = {}
        for setting in sorted(same, key=_rank_by_strength):
            by_strength.setdefault(setting.label, []).append(setting)
        for rank, equals in enumerate(by_strength.values()):
            pale = _LIGHTEST * rank / max(len(by_strength) - 1, 1)
            for place, setting in enumerate(equals):
                looks[setting.name] = Look(
                    colour=_mix(colour, 255, pale),
                    text=_mix(colour, 0, _LABEL_SHADE),
                    dash=tuple(_DASHES[(rank + place) % len(_DASHES)]),
                    label=setting.label,
                )
    return looks


def fade(look: Look, label: str) -> Look:
    """Return the look of a line that stands behind another one: paler and dotted."""
    return Look(_mix(look.colour, 255, _LIGHTEST), look.text, _DOTTED, label)


def assign_looks_of(comparison: Comparison) -> dict[str, Look]:
    """Return the looks of a comparison's settings, of which the headline's context is the first."""
    first = [row.setting for row in select_rows_in_context(comparison)]
    known = {setting.name for setting in first}
    others = [row.setting for row in comparison.rows if row.setting.name not in known]
    return assign_looks([*first, *others])


def _rank_by_strength(setting: Setting) -> tuple[float, list[float], str]:
    """Return a sort key, the strongest first: the largest p, then the classics' strongest."""
    numbers = [
        value if classic.is_bound else -value
        for classic in (CLASSICS[name] for name in setting.classics)
        for value in classic.active_fields(setting.fields).values()
        if isinstance(value, int | float)
    ]
    p = 0.0 if setting.own_name else setting.p
    return -p, numbers, setting.label


def _mix(colour: str, grey: int, share: float) -> str:
    """Return a colour mixed with a share of black (grey=0) or white (grey=255)."""
    parts = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#" + "".join(f"{round(part + (grey - part) * share):02x}" for part in parts)
