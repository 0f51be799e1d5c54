import json
import re
import sys
from pathlib import Path

import pytest

from dropexp.compare.provenance import Provenance
from dropexp.compare.results import Comparison
from dropexp.report import markdown, render_page
from dropexp.report.answer import answer, describe_baseline
from dropexp.runs.metrics import METRIC_REGISTRY, Metric
from dropexp.runs.studies import Study, StudyMember, save_study
from tests.conftest import Dropexp
from tests.made_up import comparison

ROOT = Path(__file__).parents[2]
KNOWN = Provenance(("dropexp sweep study=first",), {"torch": "2.13.0"})


@pytest.fixture(scope="module")
def study() -> Comparison:
    return comparison(("none", "dropout2d", "spatial_dropout"), seeds=8)


@pytest.fixture(scope="module")
def page(study: Comparison) -> str:
    return render_page(study, KNOWN)


# --- the answer ---------------------------------------------------------------------------


def test_the_answer_says_what_by_how_much_how_sure_and_at_what_cost(study: Comparison) -> None:
    first = answer(study)[0]
    assert re.fullmatch(
        r"On digits with 400 images and 20 % noisy labels, dropout2d at p = 0\.3 lowers the test "
        r"loss by 0\.\d+ nats \[0\.\d+, 0\.\d+\] against none, better in 8 of 8 seeds "
        r"\(test accuracy \d+\.\d → \d+\.\d %\); cost: \+\d+ % time per epoch\.",
        first,
    )
    row = study.row("dropout2d p=0.3")
    assert row.difference is not None
    assert f"by {-row.difference.value:.3f} nats" in first
    assert f"[{-row.difference.high:.3f}, {-row.difference.low:.3f}]" in first


def test_an_accuracy_rises_in_points() -> None:
    study = comparison(("none", "dropout2d"), seeds=8, metric=METRIC_REGISTRY["test_acc"])
    row = study.row("dropout2d p=0.3")
    assert row.difference is not None
    assert (
        f"raises the test accuracy by {100 * row.difference.value:.1f} points" in answer(study)[0]
    )


def test_three_seeds_claim_nothing_and_say_how_many_would() -> None:
    first, second, third, *_ = answer(comparison(("none", "dropout2d"), seeds=3))
    assert "no setting is clearly better than none" in first
    assert first.endswith("better in 3 of 3 seeds: too few seeds.")
    assert second.startswith(
        "With 3 seeds and 1 setting to test, no result can have a p-value below"
    )
    assert "0.25; a verdict needs 0.05" in second
    assert re.search(r"\d+ seeds in total, \d+ more, would settle", third)


def test_equal_settings_are_no_clear_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules["tests.made_up"].STRENGTH, "dropout2d", 0.02)
    first = answer(comparison(("none", "dropout2d"), seeds=10))[0]
    assert "no setting is clearly better than none" in first
    assert first.endswith("no clear difference.")


def test_a_setting_that_is_worse_is_called_worse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules["tests.made_up"].STRENGTH, "dropout2d", -0.5)
    first = answer(comparison(("none", "dropout2d"), seeds=8))[0]
    assert (
        "no setting is better than none. The nearest is dropout2d at p = 0.3, which raises" in first
    )
    assert "better in 0 of 8 seeds" in first


def test_runs_that_diverged_count_against_the_setting_at_the_top() -> None:
    """dropout2d would gain most, were it not for the seeds in which it diverged."""
    lost = [("dropout2d", seed) for seed in range(5)]
    study = comparison(("none", "dropout2d", "dropconnect"), seeds=8, diverged=lost)
    assert "dropconnect at p = 0.3 lowers the test loss" in answer(study)[0]
    alone = answer(comparison(("none", "dropout2d"), seeds=8, diverged=lost))[0]
    assert "better in 3 of 8 seeds (it diverged in 5 of 8 seeds)" in alone
    assert "lowers the test loss" in alone, "where it came to its end"
    assert "no setting is clearly better than none" in alone


def test_a_setting_that_only_diverged_is_worse_and_has_no_number() -> None:
    lost = [("dropout2d", seed) for seed in range(8)]
    first = answer(comparison(("none", "dropout2d"), seeds=8, diverged=lost))[0]
    assert "no setting is better than none" in first
    assert "no seed in which both it and none completed (it diverged in 8 of 8" in first
    assert "nan" not in first.lower()
    assert "–" not in first


def test_a_baseline_that_diverged_is_said() -> None:
    lost = [("none", seed) for seed in range(2)]
    first = answer(comparison(("none", "dropout2d"), seeds=8, diverged=lost))[0]
    assert "better in 8 of 8 seeds (the baseline diverged in 2)" in first


def test_the_answer_names_every_field_that_the_settings_differ_in() -> None:
    study = comparison(
        ("none", "dropconnect"), seeds=8, model_width=(32, 64), regulariser_mask=("a", "b")
    )
    first = answer(study)[0]
    assert re.search(r"\(model\.width=(32|64)\), dropconnect mask=[ab] at p = 0\.3 lowers", first)
    assert "against none," in first


def test_a_baseline_that_differs_in_more_is_named_in_full() -> None:
    for width in (32, 64):
        asked = f"none model.width={width}"
        study = comparison(("none", "dropout2d"), baseline=asked, model_width=(32, 64))
        assert study.baselines == {asked}
        row = study.row(f"dropout2d p=0.3 model.width={96 - width}")
        assert describe_baseline(study, row) == asked
        assert describe_baseline(study, study.row(f"dropout2d p=0.3 model.width={width}")) == "none"


def test_without_a_baseline_nothing_is_claimed() -> None:
    first, second = answer(comparison(("dropout2d", "dropconnect")))
    assert "dropout2d at p = 0.3 has the lowest test loss" in first
    assert "which setting is better is not known" in second


def test_a_gap_is_not_taken_for_a_result() -> None:
    study = comparison(("none", "dropout2d"), seeds=8, metric=METRIC_REGISTRY["loss_gap"])
    assert "A smaller gap is not yet a better result: see the test loss." in answer(study)


@pytest.mark.parametrize("metric", [METRIC_REGISTRY["train_loss"], METRIC_REGISTRY["train_acc"]])
def test_a_better_fit_is_not_taken_for_a_result(metric: Metric) -> None:
    study = comparison(("none", "dropout2d"), seeds=8, metric=metric)
    first, *others = answer(study)
    assert "training" in first
    assert "A better fit is not yet a better result: see the test loss." in others


# --- the page -----------------------------------------------------------------------------


def test_the_page_asks_for_nothing_from_anywhere(page: str) -> None:
    own = page[: page.index('<script type="application/json"')]
    assert "http://" not in own
    assert "https://" not in own
    assert not re.findall(r"<(?:script|img|iframe|link)[^>]+(?:src|href)=[\"'](?!data:)", own)
    assert not re.findall(r"@import|url\((?!data:)", own)
    assert "default-src 'none'" in own


def test_the_page_has_the_answer_the_table_and_the_commands(page: str, study: Comparison) -> None:
    for words in (answer(study)[0], "dropexp sweep study=first", "2.13.0", "passed, 8 of 8"):
        assert words in page
    body = page[page.index("<tbody>") : page.index("</tbody>")]
    assert body.count("<tr>") == len(study.rows)
    row = study.row("dropout2d p=0.3")
    assert f"{row.estimates['test_loss'].value:.3f}" in body
    assert "None. Every run of these settings finished" in page


def test_what_diverged_is_told() -> None:
    page = render_page(comparison(diverged=[("dropout2d", 0)]), KNOWN)
    assert "dropout2d p=0.3: 1 of 6 runs diverged." in page
    assert ">5/6</td>" in page
    assert "Every run of these settings finished" not in page


def test_names_cannot_end_the_page() -> None:
    study = comparison(("none", "dropout2d"), seeds=2, data_name=("</script><b>x",))
    page = render_page(study, KNOWN)
    assert "</script><b>x" not in page


def test_hundred_runs_of_many_settings_stay_small() -> None:
    study = comparison(
        ("none", "dropout2d", "spatial_dropout", "dropconnect", "dropout"),
        (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
        seeds=3,
        epochs=200,
    )
    assert len(study.rows) == 33
    assert len(render_page(study, KNOWN).encode()) < 3_000_000


def test_markdown_has_a_line_for_each_setting_and_escapes(study: Comparison) -> None:
    text = markdown(study, KNOWN)
    assert f"**{answer(study)[0]}**".replace("_", r"\_") in text
    lines = text.splitlines()
    assert sum(line.startswith(r"| spatial\_dropout p=0.3 |") for line in lines) == 2
    tables = [line.count("|") - line.count(r"\|") for line in lines if line.startswith("|")]
    assert len(set(tables)) == 2, "each table has as many bars in every line"


# --- the command --------------------------------------------------------------------------


@pytest.fixture
def runs(dropexp: Dropexp, tmp_path: Path) -> Path:
    import subprocess

    maker = ROOT / "scripts" / "baselines" / "run_folders.py"
    made = tmp_path / "runs"
    subprocess.run(
        [sys.executable, str(maker), str(made), "--runs", "12", "--seeds", "3"],
        check=True,
        capture_output=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    return made


def test_report_writes_a_page_and_tells_the_answer(
    dropexp: Dropexp, runs: Path, tmp_path: Path
) -> None:
    done = dropexp("report", "-o", "r.html")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("On digits with 400 images")
    page = (tmp_path / "r.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "dropexp sweep regulariser=dropout2d p=0.1,0.3,0.5 seed=0,1,2" in page
    assert "dropexp report -o r.html" in page
    panels = json.loads(re.search(r'id="page">(.*?)</script>', page)[1])["panels"]  # type: ignore[index]
    assert "p" in {panel["name"] for panel in panels}


def test_report_as_markdown_on_standard_output(dropexp: Dropexp, runs: Path) -> None:
    done = dropexp("report", "p=0,0.3", "-o", "-", "--format", "md", "--metric", "test_acc")
    assert done.returncode == 0, done.stderr
    assert "## digits with 400 images and 20 % noisy labels" in done.stdout
    assert "dropout2d p=0.3" in done.stdout
    assert "p=0.5" not in done.stdout


def test_board_writes_a_study_and_says_how_to_see_it(
    dropexp: Dropexp, runs: Path, tmp_path: Path
) -> None:
    ids = sorted(folder.name for folder in runs.iterdir())
    members = tuple(StudyMember(run_id, 0, 0, 30) for run_id in ids)
    setting = {"regulariser.name": "none", "regulariser.p": 0.0}
    save_study(runs, Study("first", (("regulariser=none,dropout2d",),), (setting,), members))
    done = dropexp("board", "first", "--no-start")
    assert done.returncode == 0, done.stderr
    assert "4 settings, mean and 95 % interval each" in done.stdout
    assert "tensorboard --logdir runs/.board/first" in done.stdout
    assert (runs / ".board" / "first" / "none" / "mean").is_dir()
    page = dropexp("report", "study=first", "-o", "-", "--format", "md").stdout
    assert "dropexp sweep regulariser=none,dropout2d study=first" in page


def test_compare_draws_what_it_shows(dropexp: Dropexp, runs: Path, tmp_path: Path) -> None:
    done = dropexp("compare", "--plot", "charts.svg")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "charts.svg").read_text().startswith("<svg")
    done = dropexp("compare", "--plot", "charts.pdf")
    assert done.returncode == 2
    assert "Use .png, .svg or .html" in done.stderr


def test_report_refuses_what_is_not_there(dropexp: Dropexp, runs: Path) -> None:
    assert dropexp("report", "p=0.99").returncode == 2
    done = dropexp("report", "-o", "no/such/folder/r.html")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
