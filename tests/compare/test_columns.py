"""One registry of columns: five renderers show the same cells, a new metric is in all of them."""

import csv
import io
import json

import pytest

from dropexp.compare.columns import list_columns, make_detail_table, make_main_table
from dropexp.compare.data_files import format_csv, format_json
from dropexp.compare.latex import format_latex
from dropexp.compare.markdown import format_markdown
from dropexp.compare.provenance import Provenance
from dropexp.compare.results import Comparison
from dropexp.compare.table import format_comparison
from dropexp.report import render_markdown, render_page
from dropexp.runs.metric_types import Direction, Metric, MetricSource, Notation, Unit
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.records import OPTIONAL_COLUMNS
from tests.made_up import make_comparison

MADE_UP = Metric(
    "p",
    "made up",
    "made-up metric",
    "the drop probability, which is no metric",
    Unit.FRACTION,
    Direction.HIGHER,
    MetricSource.RUN,
    can_decide=True,
)
"""ComparedRun has an attribute p; nothing else in dropexp knows of a metric of this name."""


def study(metric: Metric = METRIC_REGISTRY["test_loss"]) -> Comparison:
    return make_comparison(("none", "dropout2d"), seeds=6, metric=metric)


def terminal_text(table: Comparison) -> str:
    return "\n".join(line.plain for line in format_comparison(table, 10_000))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Metric:
    monkeypatch.setitem(METRIC_REGISTRY, MADE_UP.key, MADE_UP)
    return MADE_UP


def test_a_new_metric_needs_no_more_than_its_entry_to_be_shown(made_up: Metric) -> None:
    table = study()
    assert "0.300" in terminal_text(table)
    assert "made" in terminal_text(table)
    line = list(csv.DictReader(io.StringIO(format_csv(table))))[1]
    assert (line["p"], line["p_low"]) == ("0.3", "0.3")
    assert json.loads(format_json(table))["rows"][1]["estimates"]["p"]["value"] == 0.3
    for text in (render_markdown(table, Provenance()), render_page(table, Provenance())):
        assert "made up (%)" in text
        assert "30.0" in text


def test_metrics_of_the_other_labels_are_shown_with_label_noise_only() -> None:
    for noise, is_shown in ((0.2, True), (0.0, False)):
        for seeds in (1, 3):
            table = make_comparison(("none", "dropout2d"), seeds=seeds, data_label_noise=(noise,))
            keys = {column.key for column in list_columns(table)}
            assert (keys >= {*OPTIONAL_COLUMNS}, bool(keys & {*OPTIONAL_COLUMNS})) == (
                is_shown,
                is_shown,
            )


def test_a_new_metric_needs_no_more_than_its_entry_to_decide(made_up: Metric) -> None:
    table = study(made_up)
    assert "difference in made-up metric to none with everything else equal" in table.sentences[1]
    assert "above 0 is better" in table.sentences[1]
    page = render_page(table, Provenance())
    for text in (format_markdown(table), format_latex(table).replace("\\", ""), page):
        assert "made up (%)" in text
        assert "+30.0" in text
    assert "+0.300 ±0.000" in terminal_text(table)
    assert json.loads(format_json(table))["metric"] == "p"
    assert "raises the made-up metric by 30.0 points" in page


@pytest.mark.parametrize("key", METRIC_REGISTRY)
def test_every_metric_that_was_measured_is_in_the_files(key: str) -> None:
    table = study()
    estimates = json.loads(format_json(table))["rows"][0]["estimates"]
    on_request = (MetricSource.MC_DROPOUT, MetricSource.FORGETTING)
    was_measured = METRIC_REGISTRY[key].source not in on_request
    was_measured = was_measured and key not in ("test_entropy", "variance_shift")
    assert (key in estimates) == was_measured
    assert {key, f"{key}_low", f"{key}_high"} <= set(format_csv(table).splitlines()[0].split(","))


def test_compare_and_report_print_the_same_table_in_markdown() -> None:
    table = study(METRIC_REGISTRY["val_acc"])
    lines = [line for line in format_markdown(table).splitlines() if line.startswith("|")]
    assert len(lines) == 4
    assert "\n".join(lines) in render_markdown(table, Provenance())


def test_main_and_details_hold_each_column_once() -> None:
    table = study()
    main, details = make_main_table(table), make_detail_table(table)
    headings = [column.heading for each in (main, details) for column in each.columns]
    assert headings.count("setting") == 2
    assert len(set(headings)) == len(headings) - 1
    known = {column.heading for column in list_columns(table, Notation.DOCUMENT)}
    assert set(headings) <= known
    assert all(any(cell.text for cell in column) for column in zip(*main.rows, strict=True))


def test_every_column_says_what_it_shows() -> None:
    assert all(column.meaning for column in list_columns(study()))
