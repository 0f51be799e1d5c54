"""A comparison from Python is that of the command, as an object."""

import csv
import io
import json
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pytest
import vl_convert

import dropexp
from dropexp.api import ComparisonResult
from dropexp.errors import UserError
from tests.conftest import run_dropexp


@pytest.fixture(scope="module")
def result(store: Path) -> ComparisonResult:
    found: ComparisonResult = dropexp.compare("study=made", runs_dir=store)
    return found


def test_it_says_what_the_command_says(result: ComparisonResult, store: Path) -> None:
    printed = run_dropexp(store.parent, "compare", "study=made").stdout
    assert str(result).split("\n\n")[0] in printed
    assert repr(result) == str(result)
    assert result.rows[0].setting.name == "none"
    assert result.sentences == result.comparison.sentences


def test_options_have_the_names_of_the_commands_options(store: Path) -> None:
    options: dict[str, Any] = {
        "metric": "test_acc",
        "at": "last",
        "test": "anytime",
        "margin": 0.01,
        "sort": "effect",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = run_dropexp(store.parent, "compare", *words, "-f", "json")
    plain = json.loads(done.stdout)
    result = dropexp.compare(store, **options)
    assert [row.verdict for row in result.rows] == [row["verdict"] for row in plain["rows"]]
    assert result.comparison.metric.key == plain["metric"] == "test_acc"
    for name in ("at", "test", "correction"):
        wrong: dict[str, Any] = {name: "wrong"}
        with pytest.raises(UserError, match=f"--{name} wrong is not known"):
            dropexp.compare(store, **wrong)


def test_a_frame_has_the_columns_of_the_csv_file(result: ComparisonResult, store: Path) -> None:
    pytest.importorskip("pandas")
    text = run_dropexp(store.parent, "compare", "study=made", "-f", "csv").stdout
    heading, *lines = csv.reader(io.StringIO(text))
    frame = result.to_frame()
    assert list(frame.columns) == heading
    assert frame["setting"].tolist() == [line[0] for line in lines]


def test_html_has_the_table_and_escapes_what_it_shows(result: ComparisonResult) -> None:
    html = result._repr_html_()
    assert "dropout2d p=0.3" in html
    assert all(escape(sentence) in html for sentence in result.sentences)
    row = result.rows[0]
    hostile = replace(row.setting, name="<script>alert(1)</script>\x1b")
    comparison = replace(result.comparison, rows=(replace(row, setting=hostile),))
    html = replace(result, comparison=comparison)._repr_html_()
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "\x1b" not in html


@pytest.mark.parametrize("name", ["curves", "gap", "differences", "strength", "answer"])
def test_charts_are_altairs_and_hold_their_data(result: ComparisonResult, name: str) -> None:
    chart = result.chart(name)
    assert type(chart).__module__.startswith("altair")
    assert any(chart.to_dict()["datasets"].values())


def test_a_chart_of_two_panels_can_be_drawn(result: ComparisonResult) -> None:
    assert vl_convert.vegalite_to_svg(result.chart("curves").to_dict()).startswith("<svg")


def test_a_chart_that_does_not_exist_or_has_nothing_to_draw(
    result: ComparisonResult, store: Path
) -> None:
    with pytest.raises(UserError, match="Did you mean curves"):
        result.chart("curve")
    with pytest.raises(UserError, match="heatmap has nothing to draw"):
        dropexp.compare("regulariser=none", runs_dir=store).chart("heatmap")


@pytest.mark.parametrize(("name", "start"), [("r.html", "<!doctype html>"), ("r.md", "## ")])
def test_a_report_is_written_with_the_command_that_writes_it_again(
    result: ComparisonResult, tmp_path: Path, name: str, start: str
) -> None:
    path = result.report(tmp_path / name)
    text = path.read_text()
    assert text.startswith(start)
    assert "dropexp report" in text
    assert result.answer.split(",")[0] in text
