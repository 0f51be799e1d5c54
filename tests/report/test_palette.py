from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dropexp.report.charts import assign_looks
from dropexp.report.charts.palette import COLOURS, choose_colour
from tests.made_up import STUDIES
from tests.report.panels import build_panels_of


def colours_of(spec: Any) -> Iterator[dict[str, str]]:
    """Every mapping of a setting to a colour in a specification."""
    if isinstance(spec, dict):
        scale = spec.get("scale")
        has_colours = isinstance(scale, dict) and "#" in str(scale.get("range"))
        if isinstance(scale, dict) and has_colours and spec.get("field") == "setting":
            yield dict(zip(scale["domain"], scale["range"], strict=True))
        for part in spec.values():
            yield from colours_of(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from colours_of(part)


def test_a_regulariser_has_one_colour_in_every_chart_and_study() -> None:
    found: dict[str, set[str]] = {}
    for study in ("settings", "noises"):  # one strength each, so that no shade is mixed in
        for panel in build_panels_of(study).values():
            for mapping in colours_of(panel.chart.to_dict(validate=False)):
                for setting, shade in mapping.items():
                    if "label_noise" not in setting:
                        found.setdefault(setting.split()[0], set()).add(shade)
    assert len(found) > 3
    for regulariser, shades in found.items():
        if regulariser in COLOURS:
            assert COLOURS[regulariser] in shades


def test_strengths_share_a_hue_and_differ_in_lightness_and_dash() -> None:
    study = STUDIES["strengths"]()
    found = assign_looks([row.setting for row in study.rows])
    same = [found[name] for name in found if name.startswith("dropout2d")]
    assert len(same) == 4
    assert len({look.colour for look in same}) == len({look.dash for look in same}) == 4
    assert found["dropout2d p=0.7"].colour == COLOURS["dropout2d"], "the strongest is the purest"
    shares = [hue(look.colour) for look in same]
    assert max(shares) - min(shares) < 0.01


def hue(shade: str) -> float:
    from colorsys import rgb_to_hsv

    red, green, blue = (int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return rgb_to_hsv(red, green, blue)[0]


# Machado, Oliveira and Fernandes 2009, severity 1.
BLINDNESS = {
    "normal": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colours_are_told_apart_by_the_colour_blind(kind: str) -> None:
    matrix = np.array(BLINDNESS[kind]).T
    seen = {name: lab(linear(shade) @ matrix) for name, shade in COLOURS.items()}
    nearest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in combinations(seen, 2))
    assert nearest > 10, "a difference of 2.3 is just noticeable side by side"


def linear(shade: str) -> np.ndarray[Any, Any]:
    values = np.array([int(shade[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_an_unknown_regulariser_has_a_colour_of_its_own() -> None:
    assert choose_colour("mine") == choose_colour("mine")
    assert choose_colour("mine") not in COLOURS.values()
