from dataclasses import replace

from dropexp.compare.headline import find_headline
from dropexp.compare.highlights import select_featured_rows
from dropexp.statistics import Verdict
from tests.made_up import STUDIES, make_comparison


def test_few_settings_are_all_drawn_and_of_many_the_best_of_each_regulariser() -> None:
    few, many = STUDIES["settings"](), STUDIES["strengths"]()
    assert select_featured_rows(few) == list(few.rows)
    assert [row.setting.regulariser for row in select_featured_rows(many)] == [
        "none",
        "dropout2d",
        "spatial_dropout",
    ]
    best = min(
        (row for row in many.rows if row.setting.regulariser == "dropout2d"),
        key=lambda row: row.estimates["test_loss"].value,
    )
    assert best in select_featured_rows(many)


def test_what_was_tested_is_drawn_before_what_a_search_only_tried() -> None:
    many = make_comparison(strengths=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6))
    best = many.row("dropout2d p=0.5")
    tried = [
        row
        if row.setting.name in ("none", "dropout2d p=0.2")
        else replace(row, pairs=(), difference=None, verdict=Verdict.EXPLORATION)
        for row in many.rows
    ]
    drawn = {row.setting.name for row in select_featured_rows(replace(many, rows=tuple(tried)))}
    assert best in select_featured_rows(many)
    assert "dropout2d p=0.2" in drawn
    assert "dropout2d p=0.5" not in drawn


def test_diverged_runs_count_when_the_headline_is_chosen() -> None:
    """No row is clearly better, and dropout2d gains most in the one seed that completed."""
    lost = [("dropout2d", seed) for seed in range(3)]
    study = make_comparison(("none", "dropout2d", "spatial_dropout"), seeds=4, diverged=lost)
    gains = {r.setting.regulariser: r.difference.value for r in study.rows if r.difference}
    assert gains["dropout2d"] < gains["spatial_dropout"] < 0
    row = find_headline(study)
    assert row is not None
    assert row.setting.regulariser == "spatial_dropout"


def test_the_headline_is_what_gains_most_over_its_own_baseline() -> None:
    row = find_headline(STUDIES["noises"]())
    assert row is not None
    assert row.setting.regulariser == "dropout2d"
    assert find_headline(STUDIES["no baseline"]()) is None
