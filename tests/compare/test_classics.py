"""Classics are compared on the footing of regularisers: with the plain network, seed by seed."""

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare.headline import find_headline
from dropexp.compare.highlights import select_featured_rows
from dropexp.compare.notes import describe_problems
from dropexp.compare.results import Comparison
from dropexp.compare.table import format_comparison
from dropexp.config.compose import compose_run
from dropexp.report.answer import answer
from dropexp.report.charts import assign_looks, build_figures
from dropexp.report.charts.palette import COLOURS
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.records import RunSummary
from dropexp.statistics import Verdict
from tests.made_up import make_comparison
from tests.run_folders import DROPOUT, NONE, compare_folder, write_finished_run, write_study

DECAY = "classic=weight_decay"
SMOOTH = "classic=label_smoothing"
CLEAR = [0.5, 0.6, 0.5, 0.6, 0.5, 0.6, 0.5]


def baselines(comparison: Comparison) -> dict[str, str | None]:
    return {row.setting.name: row.baseline for row in comparison.rows}


def problems(comparison: Comparison) -> list[str]:
    return [note.text for note in describe_problems(comparison)]


# --- pairs --------------------------------------------------------------------------------


def test_a_classic_is_paired_with_plain_none_seed_by_seed(tmp_path: Path) -> None:
    write_study(tmp_path, {NONE: [1.0, 5.0, 2.0], DECAY: [0.9, 4.5, 2.3]})
    write_finished_run(tmp_path, 9.0, "seed=8")
    row = compare_folder(tmp_path).row("weight_decay=0.0005")
    assert row.baseline == "none"
    assert [pair.difference for pair in row.pairs] == pytest.approx([-0.1, -0.5, 0.3])
    assert row.setting.missing_seeds == (8,)


def test_a_regulariser_beside_a_classic_is_compared_with_the_classic(tmp_path: Path) -> None:
    overrides = [NONE, DROPOUT, DECAY, f"{DROPOUT} {DECAY}", f"{DECAY} train.label_smoothing=0.1"]
    write_study(tmp_path, {each: [1.0] for each in overrides})
    table = compare_folder(tmp_path)
    assert list(baselines(table).items()) == [
        ("none", None),
        ("dropout2d p=0.3", "none"),
        ("weight_decay=0.0005", "none"),
        ("dropout2d p=0.3 weight_decay=0.0005", "weight_decay=0.0005"),
        ("weight_decay=0.0005 label_smoothing=0.1", "none"),
    ]
    sentence = "where only weight_decay or label_smoothing is on, none without it"
    assert sentence in " ".join(table.sentences)


def test_a_regulariser_beside_a_classic_has_no_other_baseline(tmp_path: Path) -> None:
    """Against plain none, what the two do together would stand as what the regulariser does."""
    write_study(tmp_path, {NONE: [1.0], f"{DROPOUT} {DECAY}": [0.5]})
    table = compare_folder(tmp_path)
    row = table.row("dropout2d p=0.3 weight_decay=0.0005")
    assert (row.baseline, row.verdict) == (None, None)
    advice = problems(table)[-1]
    assert "dropexp sweep regulariser=none optimiser.weight_decay=0.0005 seed=0" in advice
    asked = compare_folder(tmp_path, baseline="none")
    assert asked.row(row.setting.name).baseline == "none"


def test_a_classic_that_all_settings_have_on_is_not_named(tmp_path: Path) -> None:
    losses = {NONE: [1.0, 1.1], DROPOUT: [0.9, 0.8]}
    write_study(tmp_path / "plain", losses)
    write_study(tmp_path / "decayed", {f"{key} {DECAY}": each for key, each in losses.items()})
    plain, decayed = (compare_folder(tmp_path / name) for name in ("plain", "decayed"))
    lines = [[line.plain for line in format_comparison(each, 120)] for each in (plain, decayed)]
    assert lines[0] == lines[1]


def test_a_classic_that_is_on_in_all_comparable_settings_stays_on_in_their_baseline(
    tmp_path: Path,
) -> None:
    larger = "data.train_size=500"
    overrides = [NONE, f"{larger} {DECAY}", f"{larger} {DECAY} train.label_smoothing=0.1"]
    write_study(tmp_path, {each: [1.0] for each in overrides})
    assert baselines(compare_folder(tmp_path)) == {
        "none data.train_size=400": None,
        "weight_decay=0.0005 data.train_size=500": None,
        "weight_decay=0.0005 label_smoothing=0.1 data.train_size=500": (
            "weight_decay=0.0005 data.train_size=500"
        ),
    }


def test_a_note_says_how_to_train_the_missing_baseline_of_a_classic(tmp_path: Path) -> None:
    write_study(tmp_path, {DECAY: [1.0], SMOOTH: [1.0], "classic=early_stopping": [1.0]})
    table = compare_folder(tmp_path)
    assert set(baselines(table).values()) == {None}
    notes = problems(table)
    off = ["optimiser.weight_decay=0", "train.label_smoothing=0", "train/early_stopping=null"]
    assert [word for note in notes for word in off if word in note] == off
    both = f"{DROPOUT} classic=early_stopping train.epochs=3"
    write_study(tmp_path, {both: [1.0]})
    table = compare_folder(tmp_path, "regulariser=dropout2d")
    command = "dropexp sweep regulariser=none train/early_stopping=patience train.epochs=3 seed=0"
    assert command in problems(table)[0]


@pytest.mark.parametrize(
    "overrides",
    [
        ["train.epochs=3", "optimiser=sgd", "classic=early_stopping"],
        ["model=mlp", "model.hidden=[8,16]", "data.seed=0"],
        ["model=custom", "model.target=torch.nn.modules.linear:Linear", "+model.options.bias=true"],
    ],
    ids=" ".join,
)
def test_the_command_for_a_missing_baseline_makes_the_baseline(
    tmp_path: Path, overrides: list[str]
) -> None:
    for seed in (0, 3):
        write_finished_run(
            tmp_path, 1.0, "regulariser=dropout", "p=0.3", f"seed={seed}", *overrides
        )
    (note,) = problems(compare_folder(tmp_path))
    command = note.partition("Train it: ")[2]
    program, verb, *printed, seeds = shlex.split(command)
    assert (program, verb, seeds) == ("dropexp", "sweep", "seed=0,3")
    for each in ("seed=0", "seed=3"):
        config = compose_run([*printed, each])
        assert config.config_hash == compose_run([*overrides, each]).config_hash
    assert "fingerprint" not in command


# --- early stopping -----------------------------------------------------------------------


def stopped(runs: Path) -> None:
    """Full runs of four epochs, and the same stopped after three; the second is the best."""
    losses = (1.0, 0.8, 0.9, 1.2)

    def later_is_worse(made: RunSummary) -> RunSummary:
        return replace(made, last=replace(made.last, test_loss=0.8 + 0.1 * made.last.epoch))

    for seed in range(6):
        for overrides, epochs in ((NONE, 4), ("classic=early_stopping", 3)):
            write_finished_run(
                runs,
                1.0,
                *overrides.split(),
                f"seed={seed}",
                val_losses=losses[:epochs],
                train_losses=(0.5,) * epochs,
                change=later_is_worse,
            )


def test_early_stopping_is_shown_with_the_epochs_it_saves_and_the_loss_it_prevents(
    tmp_path: Path,
) -> None:
    stopped(tmp_path)
    name = "early_stopping patience=5"
    at_best, at_last = compare_folder(tmp_path), compare_folder(tmp_path, at=EpochChoice.LAST)
    row = at_best.row(name)
    assert row.difference is not None
    assert (row.difference.value, row.verdict) == (0.0, Verdict.NO_CLEAR_DIFFERENCE)
    assert (
        "a run that early stopping ended differs only if the full run improves later"
        in " ".join(at_best.sentences)
    )
    row = at_last.row(name)
    assert (row.estimates["epoch"].value, row.estimates["epochs"].value) == (3, 3)
    assert "each run at its last epoch, 3 to 4: early stopping" in at_last.sentences[0]
    assert row.verdict is Verdict.BETTER
    assert "3 epochs instead of 4" in answer(at_last)[0]
    for table in (at_best, at_last):
        text = "\n".join(line.plain for line in format_comparison(table, 120))
        assert re.search(r" epochs .*\n.* trained .*\nnone .* 4\.0.*\nearly_.* 3\.0 ", text)


def test_without_early_stopping_there_is_no_column_of_epochs(tmp_path: Path) -> None:
    write_study(tmp_path, {NONE: [1.0], DECAY: [1.0]})
    table = compare_folder(tmp_path, at=EpochChoice.LAST)
    assert table.sentences[0].endswith("each run at its last epoch.")
    assert not any("trained" in line.plain for line in format_comparison(table, 10_000))


# --- what is shown first ------------------------------------------------------------------


def test_the_headline_can_be_a_classic_and_says_so(tmp_path: Path) -> None:
    write_study(tmp_path, {NONE: [1.0] * 7, DECAY: CLEAR, DROPOUT: [1.1] * 7})
    table = compare_folder(tmp_path)
    row = find_headline(table)
    assert row is not None
    assert row.setting.label == "weight_decay=0.0005"
    sentence = answer(table)[0]
    assert (
        ", weight_decay=0.0005, chosen by validation loss among 2 settings, lowers the test loss"
        in sentence
    )
    assert "against none, better in 7 of 7 seeds" in sentence
    assert "optimiser" not in sentence


def test_the_headline_names_both_the_regulariser_and_the_classic(tmp_path: Path) -> None:
    both = f"{DROPOUT} {DECAY}"
    write_study(tmp_path, {NONE: [1.0] * 7, DECAY: [1.0] * 7, DROPOUT: [1.0] * 7, both: CLEAR})
    sentence = answer(compare_folder(tmp_path))[0]
    assert ", dropout2d at p = 0.3 with weight_decay=0.0005, chosen by" in sentence
    assert "against weight_decay=0.0005, better in 7 of 7" in sentence


# --- charts -------------------------------------------------------------------------------


def test_a_classic_has_a_colour_and_a_label_of_its_own() -> None:
    table = make_comparison(("none", "dropout2d"), data_augment=("none", "crop"))
    look = assign_looks([row.setting for row in table.rows])
    assert look["none"].colour == COLOURS["none"]
    assert look["augmentation=crop"].colour == COLOURS["augmentation"]
    assert look["augmentation=crop"].label == "augmentation=crop"
    assert look["dropout2d p=0.3"].colour == COLOURS["dropout2d"]
    beside = look["dropout2d p=0.3 augmentation=crop"]
    assert beside.label == "dropout2d p=0.3 augmentation=crop"
    assert beside.dash != look["dropout2d p=0.3"].dash


def test_all_classics_stand_in_the_same_charts() -> None:
    table = make_comparison(("none", "dropout2d"), (0.1, 0.3), data_augment=("none", "crop"))
    assert select_featured_rows(table) == list(table.rows)
    panels = {panel.name: panel for figure in build_figures(table) for panel in figure.panels}
    assert panels.keys() == {
        *("train_loss", "val_loss", "loss_gap", "differences", "p", "map_regulariser_p")
    }
    drawn = {value["setting"] for value in panels["p"].data["p_levels"]}
    assert drawn == {"none", "augmentation=crop"}
    kinds = {"dropout2d", "dropout2d augmentation=crop"}
    assert {value["setting"] for value in panels["p"].data["p_lines"]} == kinds
    cells = panels["map_regulariser_p"].data["map_regulariser_p_cells"]
    assert {value["line"] for value in cells} == kinds, "a classic alone has no p"


def test_strengths_of_a_classic_are_an_axis() -> None:
    table = make_comparison(("none", "dropout2d"), optimiser_weight_decay=(0.0, 0.001, 0.01))
    panels = {panel.name: panel for figure in build_figures(table) for panel in figure.panels}
    values = panels["optimiser_weight_decay_test_loss"].data[
        "optimiser_weight_decay_test_loss_lines"
    ]
    assert {value["setting"] for value in values} == {"none", "dropout2d p=0.3"}
    assert len(values) == 6
    look = assign_looks([row.setting for row in table.rows])
    strongest = look["weight_decay=0.01"]
    assert (strongest.colour, strongest.dash) == (COLOURS["weight_decay"], (1, 0))
