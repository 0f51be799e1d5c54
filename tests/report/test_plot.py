import re
import struct
from pathlib import Path

import pytest

from dropexp.errors import UserError
from dropexp.report import plot
from dropexp.runs.metrics import METRIC_REGISTRY
from tests.made_up import STUDIES, make_comparison


def test_a_png_is_a_png_at_least_twice_as_wide_as_the_chart(tmp_path: Path) -> None:
    path = tmp_path / "chart.PNG"
    plot(STUDIES["settings"](), path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert 1500 < width < 2600
    assert height > 1000


def test_an_svg_is_an_svg_with_the_settings_names(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    plot(STUDIES["settings"](), path)
    text = path.read_text()
    assert text.startswith("<svg")
    assert "dropconnect p=0.3" in text
    axis = re.search(
        r'aria-label="X-axis titled .epoch.*?role-axis-label(.*?)</g>', text, re.DOTALL
    )
    assert axis is not None
    places = [float(x) for x in re.findall(r"translate\(([\d.]+),", axis[1])]
    assert places == sorted(places)
    assert places[-1] > 150, "the curves have no room beside the labels"
    assert "The generalisation gap over epochs" in text


def test_accuracies_near_each_other_have_ticks_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    near = make_comparison(("none", "dropout2d"), (0.02, 0.04), metric=METRIC_REGISTRY["test_acc"])
    plot(near, path)
    text = path.read_text()
    axis = re.search(
        r'aria-label="Y-axis titled .test accuracy.*?role-axis-label(.*?)</g>', text, re.DOTALL
    )
    assert axis is not None
    ticks = re.findall(r">([^<]+)</text>", axis[1])
    assert len(set(ticks)) == len(ticks) > 1


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"chart\.pdf has an unknown suffix\. Use \.png, \.svg or \.html"
    ):
        plot(STUDIES["settings"](), tmp_path / "chart.pdf")


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written: No such file"):
        plot(STUDIES["one epoch"](), tmp_path / "no" / "chart.svg")
