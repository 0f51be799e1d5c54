"""Rows have one order in every format, and --columns and --sort take the same names."""

import csv
import io
import json
import re
from dataclasses import replace

import pytest

from dropexp.compare.column_choice import choose_keys
from dropexp.compare.columns import make_main_table
from dropexp.compare.data_files import format_csv, format_json
from dropexp.compare.latex import format_latex
from dropexp.compare.markdown import format_markdown
from dropexp.compare.results import Comparison
from dropexp.compare.sorting import sort_rows
from dropexp.compare.table import format_comparison
from dropexp.errors import UserError
from dropexp.runs.metrics import METRIC_REGISTRY
from tests.made_up import make_comparison

STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)


@pytest.fixture(scope="module")
def table() -> Comparison:
    return make_comparison(strengths=STRENGTHS, seeds=4, epochs=6)


def names(comparison: Comparison) -> list[str]:
    return [row.setting.name for row in comparison.rows]


def effects(comparison: Comparison) -> list[float]:
    return [row.difference.value for row in comparison.rows if row.difference is not None]


def test_a_big_table_is_by_effect_and_a_small_one_by_name(table: Comparison) -> None:
    big = sort_rows(table)
    assert big.sorted_by == "effect"
    assert names(big)[0] == "none"
    assert effects(big) == sorted(effects(table))
    assert effects(big) != effects(table)
    few = replace(table, rows=table.rows[:12])
    assert sort_rows(few).rows == few.rows


def test_the_best_comes_first_whichever_side_of_zero_it_is() -> None:
    accuracy = make_comparison(strengths=(0.1, 0.5), metric=METRIC_REGISTRY["test_acc"], epochs=6)
    best_first = sort_rows(accuracy, "effect")
    assert effects(best_first) == sorted(effects(accuracy), reverse=True)
    worst_first = sort_rows(accuracy, "effect", reverse=True)
    assert effects(worst_first) == sorted(effects(accuracy))
    assert names(sort_rows(accuracy, "-effect")) == names(worst_first)


def test_a_setting_whose_runs_diverged_is_not_the_best() -> None:
    seeds = range(5)  # the one that is left may be a lucky one
    lost = [("dropout2d", seed) for seed in seeds[1:]]
    table = make_comparison(seeds=5, epochs=6, diverged=lost)
    assert names(sort_rows(table, "effect"))[-1] == "dropout2d p=0.3"
    all_lost = make_comparison(seeds=5, epochs=6, diverged=[("dropout2d", s) for s in seeds])
    for reverse in (False, True):
        assert names(sort_rows(all_lost, "effect", reverse=reverse))[-1] == "dropout2d p=0.3"


def test_any_column_sorts_and_rows_without_a_value_come_last(table: Comparison) -> None:
    by_loss = sort_rows(table, "-test loss")
    losses = [row.estimates["test_loss"].value for row in by_loss.rows]
    assert losses == sorted(losses, reverse=True)
    for reverse in (False, True):
        assert names(sort_rows(table, "p_value", reverse=reverse))[-1] == "none"
    assert names(sort_rows(table, "name", reverse=True)) == names(table)[::-1]
    by_p = sort_rows(table, "regulariser.p")
    strengths = [row.setting.p for row in by_p.rows]
    assert strengths == sorted(strengths)


def test_every_format_has_the_same_order(table: Comparison) -> None:
    table = sort_rows(table, "-test_acc")
    order = names(table)
    assert [line["setting"] for line in csv.DictReader(io.StringIO(format_csv(table)))] == order
    assert [row["setting"] for row in json.loads(format_json(table))["rows"]] == order
    main = make_main_table(table)
    assert [row[0].text for row in main.rows] == order
    shown = "\n".join(line.plain for line in format_comparison(table, 80))
    for text in (shown, format_markdown(table), format_latex(table)):
        plain = text.replace("\\", "")
        found = re.findall(
            r"^[ |]*((?:none|dropout2d|spatial_dropout)(?: p=[.\d]+)?) ", plain, re.M
        )
        assert found[: len(order)] == order


def test_columns_are_those_of_the_csv_file_or_headings(table: Comparison) -> None:
    wanted = ["P(Better)", "vs baseline", "test_loss_low", "regulariser.p", "epochs"]
    keys = choose_keys(table, wanted)
    assert keys == ["setting", "better", "difference", "test_loss_low", "regulariser.p", "epochs"]
    assert choose_keys(table, ["n", "setting"]) == ["n", "setting"]
    written = format_csv(table, keys).splitlines()
    assert written[0] == ",".join(keys)
    line = dict(zip(keys, written[1].split(","), strict=True))
    everything = next(csv.DictReader(io.StringIO(format_csv(table))))
    assert line == {key: everything[key] for key in keys}
    heading = format_markdown(table, keys).splitlines()[6]
    assert heading.count("|") == len(keys) + 1
    lines = [line.plain for line in format_comparison(table, 80, ["setting", "regulariser.p"])]
    assert any(line.split() == ["dropout2d", "p=0.1", "0.1"] for line in lines)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("test_los", "Did you mean test_loss"),
        ("qqq", "Known: setting, n, test_loss"),
        ("", "is no column"),
    ],
)
def test_an_unknown_column_is_refused_with_what_is_close(
    table: Comparison, given: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        choose_keys(table, [given])
    with pytest.raises(UserError, match="--sort"):
        sort_rows(table, given or "qq")


def test_a_column_cannot_be_named_twice(table: Comparison) -> None:
    with pytest.raises(UserError, match="names the column test_loss twice"):
        choose_keys(table, ["test_loss", "test loss"])
