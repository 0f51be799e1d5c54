"""The notes below a table: which rows are open, and what is not worth a note."""

from dataclasses import replace

import pytest

from dropexp.compare.method_of_test import describe_interval
from dropexp.compare.notes import describe_notes, describe_open_rows
from dropexp.compare.results import Comparison
from dropexp.compare.table import format_comparison
from dropexp.report.answer import answer
from dropexp.runs.question_types import TestChoice
from dropexp.statistics import Estimate, SeedForecast, Verdict
from dropexp.terminal.numbers import list_few
from tests.made_up import make_comparison


def change_row(comparison: Comparison, **changes: object) -> Comparison:
    """Return the comparison with its last row changed."""
    *rows, last = comparison.rows
    return replace(comparison, rows=(*rows, replace(last, **changes)))  # type: ignore[arg-type]


def text(comparison: Comparison) -> str:
    return "\n".join(note.text for note in describe_notes(comparison))


def test_too_few_seeds_are_explained_under_both_tests() -> None:
    planned = make_comparison(seeds=3)
    assert text(planned).startswith(
        "With 3 seeds, no result can have a p-value below 0.25; a verdict needs 0.05."
    )
    fewer = tuple(replace(row, pairs=row.pairs[:1]) for row in planned.rows)
    assert text(replace(planned, rows=fewer)).startswith("With 1 counted pair, no result can")
    anytime = make_comparison(seeds=3, test=TestChoice.ANYTIME)
    smallest = anytime.rows[1].smallest_p
    assert text(anytime).startswith(
        f"With 3 seeds and 2 settings to test, no result can have a p-value below {smallest:.2g};"
    )
    assert not any("p-value below" in note.text for note in describe_notes(make_comparison()))


def test_a_forecast_has_its_power_its_range_and_the_chance_that_it_stays_open() -> None:
    open_row = change_row(
        make_comparison(seeds=8),
        verdict=Verdict.NO_CLEAR_DIFFERENCE,
        forecast=SeedForecast(8, 40, 0.8, 0.21),
    )
    (note,) = describe_open_rows(open_row)
    for part in ("80% probability, the first number if", "after the last number is 21%"):
        assert part in note.text
    assert note.text.endswith("; dropexp extend made-up --until-decided adds them.")


@pytest.mark.parametrize(("high", "most"), [(95, 103), (None, 104)])
def test_a_forecast_above_the_usual_limit_of_seeds_raises_it(high: int | None, most: int) -> None:
    open_row = change_row(
        make_comparison(seeds=8),
        verdict=Verdict.NO_CLEAR_DIFFERENCE,
        forecast=SeedForecast(8, high, 0.8, 0.21),
    )
    (note,) = describe_open_rows(open_row)
    assert f"dropexp extend made-up --until-decided --most-seeds {most} adds" in note.text


def test_the_study_that_a_filter_names_is_extended() -> None:
    row = change_row(
        make_comparison(seeds=8),
        verdict=Verdict.NO_CLEAR_DIFFERENCE,
        forecast=SeedForecast(8, 8, 0.8, 0.21),
    )
    (note,) = describe_open_rows(replace(row, named_study="mine", studies=("a", "b")))
    assert "stays open after them is 21%" in note.text
    assert note.text.endswith("; dropexp extend mine --until-decided adds them.")


def test_a_verdict_beside_an_interval_with_0_is_explained() -> None:
    comparison = change_row(make_comparison(seeds=8), difference=Estimate(-0.1, -0.3, 0.1, 8))
    sentence = describe_interval(comparison)
    assert "It includes 0 in spatial_dropout p=0.3: the test and the interval are two" in sentence
    assert "includes 0" not in describe_interval(make_comparison(seeds=8))
    alone = replace(comparison, rows=(comparison.rows[0], comparison.rows[-1]))
    assert "Its interval includes 0: the test and the interval are two" in " ".join(answer(alone))


def test_further_names_are_counted() -> None:
    assert list_few(["a", "b", "c", "d"], noun="setting") == "a, b, c and 1 more setting"
    assert list_few(["a", "b", "c", "d", "e"], noun="setting") == "a, b, c and 2 more settings"


def test_settings_that_only_diverged_have_no_plan() -> None:
    lost = [("dropout2d", seed) for seed in range(3)]
    for test in TestChoice:
        row = make_comparison(seeds=3, diverged=lost, test=test).row("dropout2d p=0.3")
        assert row.forecast is None
        assert row.verdict is Verdict.TOO_FEW_SEEDS


def test_small_effects_share_one_line() -> None:
    small = change_row(
        make_comparison(seeds=8),
        verdict=Verdict.NO_CLEAR_DIFFERENCE,
        is_small=True,
        difference=Estimate(0.001, -0.02, 0.022, 8),
    )
    (note,) = describe_open_rows(small)
    assert note.text == "Any effect is small: below 0.022 nats in spatial_dropout p=0.3."


def test_too_few_seeds_for_a_verdict_do_not_show_that_an_effect_is_small() -> None:
    few = change_row(
        make_comparison(seeds=2),
        verdict=Verdict.TOO_FEW_SEEDS,
        is_small=True,
        difference=Estimate(0.001, -0.02, 0.022, 2),
    )
    assert not any("small" in note.text for note in describe_open_rows(few))


def test_one_setting_alone_is_not_advised_to_compare_itself() -> None:
    alone = make_comparison(("none",))
    (_, nothing) = alone.sentences
    assert nothing == "Nothing is tested: there is no other setting to compare with."
    assert not any("--baseline" in note.text for note in describe_notes(alone))


def test_settings_without_a_counterpart_are_named_in_one_sentence() -> None:
    every = make_comparison(("none",), data_train_size=(50, 100, 400))
    assert "every setting is none. --baseline compares" in every.sentences[1]
    assert not any("--baseline" in note.text for note in describe_notes(every))
    study = make_comparison(("none", "dropout2d"), data_train_size=(50, 100, 400))
    lone = [row for row in study.rows if row.setting.is_plain]
    (regularised,) = (row for row in study.rows if row.baseline == lone[0].setting.name)
    notes = describe_notes(replace(study, rows=(*lone, regularised)))
    (note,) = (each.text for each in notes if "--baseline" in each.text)
    assert note.startswith("Compared with nothing, because no other setting differs in its regul")
    assert f"{lone[1].setting.name}, {lone[2].setting.name}. --baseline" in note
    assert lone[0].setting.name not in note


def test_a_row_that_needs_no_more_seeds_does_not_lack_them() -> None:
    """A row that is decided while seeds are added stops; so does one that a search left."""
    planned = make_comparison(seeds=8)
    missing = replace(planned.rows[-1].setting, missing_seeds=(8, 9, 10, 12))
    assert "lacks seeds 8–10, 12, which" in text(change_row(planned, setting=missing))
    anytime = change_row(make_comparison(seeds=8, test=TestChoice.ANYTIME), setting=missing)
    assert anytime.rows[-1].verdict is Verdict.BETTER
    assert "lacks seed" not in text(anytime)
    still_open = change_row(anytime, verdict=Verdict.NO_CLEAR_DIFFERENCE)
    assert "lacks seed" in text(still_open)
    explored = change_row(planned, setting=missing, verdict=Verdict.EXPLORATION)
    assert "lacks seed" not in text(explored)


def test_brackets_beside_plus_minus_are_explained_once() -> None:
    def lines(comparison: Comparison) -> str:
        return "\n".join(line.plain for line in format_comparison(comparison, None))

    plain = make_comparison(seeds=8)
    assert "log scale" not in lines(plain)
    wide = {plain.metric.key: Estimate(0.692, 0.241, 1.991, 8)}
    mixed = change_row(plain, estimates={**plain.rows[-1].estimates, **wide})
    assert "0.692 [0.241, 1.991]" in lines(mixed)
    assert lines(mixed).count("are on the log scale, because ± would reach below 0") == 1
