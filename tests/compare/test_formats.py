"""Every form of a comparison holds the same numbers."""

import csv
import io
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare.data_files import format_csv, format_json
from dropexp.compare.headline import describe_choice
from dropexp.compare.latex import format_latex
from dropexp.compare.markdown import format_markdown
from dropexp.compare.notes import describe_verdict
from dropexp.compare.results import Comparison
from dropexp.compare.table import break_heading, format_comparison
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate, SeedForecast, Verdict
from tests.made_up import make_comparison
from tests.run_folders import (
    DROPOUT,
    NONE,
    compare_folder,
    mark_diverged,
    write_finished_run,
    write_study,
)


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    losses = [0.5123456789, 0.61, 0.5, 0.6, 0.5, 0.6, 0.5]
    write_study(tmp_path, {NONE: [1.0, 1.1, 1.2, 1.0, 1.1, 1.2, 1.0], DROPOUT: losses})
    write_finished_run(tmp_path, 1.0, "regulariser=dropconnect", "p=0.1", change=mark_diverged)
    return compare_folder(tmp_path)


def numbers(cell: str) -> list[float]:
    """The numbers in a cell, whatever its minus sign."""
    return [
        float(each)
        for each in re.findall(r"[+-]?\d+\.?\d*", cell.replace("$-$", "-").replace("−", "-"))
    ]


def test_csv_parses_back_to_the_same_numbers(comparison: Comparison) -> None:
    lines = list(csv.DictReader(io.StringIO(format_csv(comparison))))
    assert [line["setting"] for line in lines] == [row.setting.name for row in comparison.rows]
    for line, row in zip(lines, comparison.rows, strict=True):
        named = {key: row.estimates.get(key) for key in METRIC_REGISTRY}
        for key, estimate in {**named, "difference": row.difference}.items():
            for end, name in (("", "value"), ("_low", "low"), ("_high", "high")):
                value = math.nan if estimate is None else getattr(estimate, name)
                text = line[f"{key}{end}"]
                assert text == "" if math.isnan(value) else float(text) == value
        assert line["verdict"] == (row.verdict or "")
        assert float(line["regulariser.p"]) == row.setting.p
    assert lines[1]["diverged_seeds"] == "0"
    assert lines[0]["seeds"] == "0 1 2 3 4 5 6"


def test_json_parses_back_to_the_same_numbers(comparison: Comparison) -> None:
    plain = json.loads(format_json(comparison))
    assert plain["sentences"] == list(comparison.sentences)
    headline = describe_choice(comparison)
    assert headline is not None
    assert plain["headline"] == {
        "setting": "dropout2d p=0.3",
        "candidates": 2,
        "is_stable": True,
        "held_out": headline.held_out.value,
    }
    for written, row in zip(plain["rows"], comparison.rows, strict=True):
        for key, estimate in row.estimates.items():
            assert Estimate(**written["estimates"][key]) == estimate
        assert [pair["value"] for pair in written["pairs"]] == [pair.value for pair in row.pairs]
        assert (written["verdict"], written["adjusted_p"]) == (row.verdict, nan_is_null(row))
        assert written["fields"] == json.loads(json.dumps(row.setting.fields))


def nan_is_null(row: object) -> float | None:
    p: float | None = getattr(row, "adjusted_p", None)
    return None if p is None or math.isnan(p) else p


def paper_rows(comparison: Comparison, format_: str) -> list[list[str]]:
    if format_ == "md":
        text = format_markdown(comparison)
        lines = [line for line in text.splitlines() if line.startswith("| ")]
        return [line[2:-2].split(" | ") for line in (lines[0], *lines[2:])]
    text = format_latex(comparison)
    return [
        line.strip().removesuffix(r" \\").split(" & ")
        for line in text.splitlines()
        if line.endswith(r"\\")
    ]


@pytest.mark.parametrize("format_", ["md", "latex"])
def test_markdown_and_latex_show_the_same_numbers_rounded(
    comparison: Comparison, format_: str
) -> None:
    head, *rows = paper_rows(comparison, format_)
    by_name = {row[0].replace("\\", ""): row for row in rows}
    at = head.index("vs baseline")
    row = comparison.row("dropout2d p=0.3")
    assert row.difference is not None
    written = numbers(by_name["dropout2d p=0.3"][at])
    loss = row.estimates["test_loss"]
    for found, estimate in (
        (written, row.difference),
        (numbers(by_name["dropout2d p=0.3"][2]), loss),
    ):
        ends = [estimate.low, estimate.high]
        half = [estimate.high - estimate.value]  # a page of a paper has no room for both ends
        expected = [estimate.value, *(half if format_ == "latex" else ends)]
        assert found == pytest.approx(expected, abs=0.0005)
    assert by_name["dropout2d p=0.3"][head.index("verdict")] == "better"
    assert all(len(each) == len(head) for each in rows)


def test_latex_is_escaped_and_uses_booktabs(comparison: Comparison) -> None:
    odd = comparison.rows[0]
    odd = replace(odd, setting=replace(odd.setting, name="50% of a_b & c#1 ~ {x} \\ ^"))
    text = format_latex(replace(comparison, rows=(odd,)))
    assert (
        r"50\% of a\_b \& c\#1 \textasciitilde{} \{x\} \textbackslash{} \textasciicircum{}" in text
    )
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule"))
    assert re.search(r"(?<!\\)%", text.replace("% needs", "").partition(r"\begin")[2]) is None


def test_a_pipe_in_a_name_does_not_end_a_markdown_cell(comparison: Comparison) -> None:
    odd = replace(comparison.rows[0], setting=replace(comparison.rows[0].setting, name="a|b"))
    assert r"| a\|b |" in format_markdown(replace(comparison, rows=(odd,)))


@pytest.mark.parametrize("width", [80, 140])
def test_the_table_is_no_wider_than_the_terminal(comparison: Comparison, width: int) -> None:
    lines = [line.plain for line in format_comparison(comparison, width)]
    assert max(map(len, lines)) <= width
    assert lines.index("") == 3  # what is above the table
    text = "\n".join(lines)
    for word in ("setting", "verdict", "better", "max-t", "lowest validation loss", "1 of 1 runs"):
        assert word in text
    assert "0/1" in text


def test_a_long_name_is_wrapped(tmp_path: Path) -> None:
    write_finished_run(tmp_path, 1.0, "regulariser=stochastic_depth")
    write_finished_run(tmp_path, 1.0)
    lines = [line.plain for line in format_comparison(compare_folder(tmp_path), 60)]
    at = next(index for index, line in enumerate(lines) if line.startswith("stochastic_depth"))
    assert lines[at + 1].strip() == "model.shortcut=True"
    assert max(map(len, lines)) <= 60


def test_a_long_verdict_is_wrapped_before_the_terminal_does() -> None:
    study = make_comparison(("none", "spatial_dropout"), seeds=10)
    forecast = SeedForecast(85, None, 0.8, 0.61)
    rows = [
        replace(row, verdict=row.verdict and Verdict.NO_CLEAR_DIFFERENCE, forecast=forecast)
        for row in study.rows
    ]
    lines = [line.plain for line in format_comparison(replace(study, rows=tuple(rows)), 80)]
    assert max(map(len, lines)) <= 80
    at = next(index for index, line in enumerate(lines) if line.startswith("spatial_dropout"))
    assert lines[at].endswith("no clear difference")
    assert lines[at + 1].endswith("(+≥85)")


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("true-label train loss", "true-label\ntrain loss"),
        ("s per epoch", "s per\nepoch"),
        ("test loss", "test\nloss"),
        ("verdict", "verdict"),
    ],
)
def test_a_heading_is_broken_where_it_is_narrowest(heading: str, expected: str) -> None:
    assert break_heading(heading) == expected


def test_a_pipe_has_the_main_columns_in_full(comparison: Comparison) -> None:
    text = "\n".join(line.plain for line in format_comparison(comparison, None))
    assert "no room for" not in text
    assert "verdict" in text
    assert "parameters" not in text
    assert "more columns: --columns chooses, -o table.csv has all" in text
    chosen = [line.plain for line in format_comparison(comparison, None, ["setting", "parameters"])]
    assert any("parameters" in line for line in chosen)
    assert not any("more columns" in line for line in chosen)


def test_too_few_seeds_are_shown_with_the_number_of_seeds_to_add(tmp_path: Path) -> None:
    write_study(tmp_path, {NONE: [1.0] * 5, DROPOUT: [0.5, 0.51, 0.52, 0.5, 0.49]})
    comparison = compare_folder(tmp_path)
    none, dropout = comparison.rows
    assert describe_verdict(comparison, dropout) == "too few seeds (+1)"
    assert describe_verdict(comparison, none) == "baseline"
