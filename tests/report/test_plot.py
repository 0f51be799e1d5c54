import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dropexp.cli.picture_options import Chart
from dropexp.errors import UserError
from dropexp.report import PlotOptions, plot
from dropexp.report.charts.choices import CHART_KINDS
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate
from tests.made_up import STUDIES, make_comparison


def test_the_overview_is_a_slide_with_its_resolution_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "chart.PNG"
    plot(STUDIES["settings"](), path, PlotOptions(dpi=96))
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (1279, 720)
    at = content.index(b"pHYs") + 4
    assert struct.unpack(">IIB", content[at : at + 9]) == (3780, 3780, 1), "dots per metre"


def test_a_picture_has_the_charts_and_the_size_that_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    options = PlotOptions(("gap", "differences"), size=(7, 4), title="A <title> of mine")
    plot(STUDIES["settings"](), path, options)
    text = path.read_text()
    root = text[: text.index(">")]
    size = re.search(r'width="([\d.]+)" height="([\d.]+)" viewBox="0 0 ([\d.]+) ', root)
    assert size is not None
    assert (float(size[1]), float(size[2])) == (672, 384), "pixels of 1/96 inch"
    assert 1 <= float(size[3]) / 672 <= 1.4, "text is at most 1.4 times smaller"
    assert "A &lt;title&gt; of mine" in text
    assert "The generalisation gap over epochs" in text
    assert "Paired differences" in text
    assert "Validation over epochs" not in text
    axis = re.search(
        r'aria-label="X-axis titled .epoch.*?role-axis-label(.*?)</g>', text, re.DOTALL
    )
    assert axis is not None
    ticks = re.findall(r">([^<]+)</text>", axis[1])
    assert all(float(tick).is_integer() for tick in ticks)
    assert len(set(ticks)) == len(ticks) > 2
    clips = re.findall(r'id="([^"]+)"', text)
    assert len(set(clips)) == len(clips) > 0
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(clips)


def test_a_title_of_nothing_leaves_out_all_titles(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    plot(STUDIES["settings"](), path, PlotOptions(("answer",), title=""))
    assert "chosen by" not in path.read_text()
    assert "validation loss" not in path.read_text()


def test_a_pdf_has_its_size_in_points(tmp_path: Path) -> None:
    path = tmp_path / "chart.pdf"
    plot(STUDIES["settings"](), path, PlotOptions(("gap",), size=(3.5, 2.5)))
    content = path.read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/MediaBox [0 0 252 180]" in content


@pytest.mark.slow
def test_a_page_has_the_charts_that_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "chart.html"
    plot(STUDIES["settings"](), path, PlotOptions(("gap", "differences"), title="Mine"))
    page = path.read_text()
    panels = re.findall(r'id="chart-(\w+)"', page)
    assert panels == ["loss_gap", "differences"]
    assert "<title>Mine</title>" in page


def test_accuracies_near_each_other_have_ticks_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    near = make_comparison(("none", "dropout2d"), (0.02, 0.04), metric=METRIC_REGISTRY["test_acc"])
    plot(near, path, PlotOptions(("strength",)))
    text = path.read_text()
    axis = re.search(
        r'aria-label="Y-axis titled .test accuracy.*?role-axis-label(.*?)</g>', text, re.DOTALL
    )
    assert axis is not None
    ticks = re.findall(r">([^<]+)</text>", axis[1])
    assert len(set(ticks)) == len(ticks) > 1


@pytest.mark.parametrize(
    ("file", "options", "words"),
    [
        ("chart.jpg", {}, r"chart\.jpg has an unknown suffix\. Use \.png, \.svg, \.pdf or \.html"),
        ("chart.pdf", {"dpi": 300}, r"--dpi is for \.png only"),
        ("chart.html", {"size": (7, 4)}, r"--size has no meaning for .*chart\.html"),
        ("chart.png", {"charts": ("heatmap",)}, r"heatmap has .* These runs have: curves, gap, di"),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    tmp_path: Path, file: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        plot(STUDIES["settings"](), tmp_path / file, PlotOptions(**options))


def test_the_charts_of_the_command_are_those_that_can_be_built() -> None:
    assert list(CHART_KINDS) == list(Chart)
    drawn = {name for name, kind in CHART_KINDS.items() if kind.build(STUDIES["strengths"](), "")}
    assert drawn == set(Chart) - {Chart.AXIS}, "its settings differ in p only"
    (answer,) = CHART_KINDS["answer"].build(STUDIES["settings"](), "")
    assert "chosen by" in answer.panels[0].title


def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written: No such file"):
        plot(STUDIES["one epoch"](), tmp_path / "no" / "chart.svg")


def test_a_title_replaces_the_answer_and_a_small_picture_has_no_subtitle(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    plot(STUDIES["settings"](), path, PlotOptions(("answer",), title="My own title"))
    text = path.read_text()
    assert text.count("My own title</text>") == 1
    assert "chosen by" not in text
    assert "a line for each seed" in text
    plot(STUDIES["settings"](), path, PlotOptions(("answer",), size=(2.8, 1.6), title="Mine"))
    assert "a line for each seed" not in path.read_text()


def test_names_of_settings_have_a_halo_over_the_line_at_0(tmp_path: Path) -> None:
    path = tmp_path / "chart.svg"
    plot(STUDIES["settings"](), path, PlotOptions(("differences",), size=(3.5, 3)))
    text = path.read_text()
    halo, dots = text.index("halo_marks"), text.index("mark-symbol")
    assert text.index("mark-rule") < halo < dots


def test_a_setting_that_exploded_hides_no_other_in_a_picture(tmp_path: Path) -> None:
    study = make_comparison(("none", "dropout2d"), (0.3,), optimiser_lr=(0.001, 0.01, 1.0))
    far = Estimate(6e11, 2e10, 1e12, 6)
    rows = [
        replace(row, estimates={**row.estimates, "test_loss": far})
        if row.setting.fields["optimiser.lr"] == 1.0
        else row
        for row in study.rows
    ]
    path = tmp_path / "strength.svg"
    plot(replace(study, rows=tuple(rows)), path, PlotOptions(charts=("strength",)))
    ends = [float(each) for each in re.findall(r'y2="(-?[\d.e+]+)"', path.read_text())]
    assert ends
    assert max(map(abs, ends)) < 1e6, "the renderer of PNG draws nothing of such a layer"
