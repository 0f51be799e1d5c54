"""`--until-decided` as its user meets it: the real command in an empty folder."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dropexp.cli.until_decided import SequentialOptions
from dropexp.runs.ledger import Purpose, read_ledger
from dropexp.runs.metrics import parse_metric
from dropexp.runs.study_question import StudyQuestion
from dropexp.sweep.sweep_dirs import BREAKDOWN_FILE
from tests.conftest import assert_refused, run_dropexp
from tests.processes import list_processes, start_dropexp, wait_until

# Two rows: a strong effect, and none, as no mask drops anything.
QUICK = ("train.epochs=4", "data.train_size=60", "model.width=4")
SETTINGS = ("study=mine", "regulariser=none,dropout2d", "p=0.00001,0.9", *QUICK)
OPTIONS = ("--until-decided", "--most-seeds", "10")
SWEEP = ("sweep", *SETTINGS, *OPTIONS)
Done = subprocess.CompletedProcess[str]


def trained_runs(folder: Path) -> dict[str, int]:
    """How often the training of each finished run has begun."""
    return {
        summary.parent.name: (summary.parent / "run.log").read_text().count("training from")
        for summary in (folder / "runs").glob("*/summary.json")
    }


def table(done: Done) -> list[str]:
    """The lines of the table at the end."""
    lines = done.stdout.splitlines()
    return lines[next(i for i, line in enumerate(lines) if line.startswith("setting")) :]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Done, Path]:
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start_dropexp(folder, *SWEEP, stderr=subprocess.PIPE)
    out, errors = process.communicate()
    return subprocess.CompletedProcess(SWEEP, process.returncode, out, errors), folder


@pytest.fixture
def decided(tmp_path: Path, undisturbed: tuple[Done, Path]) -> Path:
    """A folder with a copy of the runs."""
    shutil.copytree(undisturbed[1] / "runs", tmp_path / "runs")
    return tmp_path


def test_a_decided_row_gets_no_more_seeds(undisturbed: tuple[Done, Path]) -> None:
    done, folder = undisturbed
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rows by test_loss, at most 10 seeds" in done.stdout
    assert "starts with 7 seeds, 21 runs, 21 of them to train" in done.stdout
    assert re.search(r"dropout2d p=0.9: worse after [789] seeds", done.stdout)
    assert "the open rows have the most seeds that are allowed" in done.stdout
    runs = trained_runs(folder)
    assert set(runs.values()) == {1}
    by_setting = {name: [run for run in runs if run.startswith(name)] for name in ("none", "drop")}
    assert len(by_setting["none"]) == 10
    strong = [run for run in runs if "-p0.9-" in run]
    assert 7 <= len(strong) < 10
    ending = "finished: the open rows have the most seeds that are allowed"
    count = f"{len(runs)} runs in all, {len(runs)} trained now in "
    assert f"{ending}; {count}" in done.stdout
    assert re.search(r"open, evidence \d\S* of 20$", done.stdout, flags=re.MULTILINE)
    assert "1 row open: --most-seeds 20 goes on" in done.stdout
    assert done.stdout.splitlines()[-1] == "next    dropexp compare study=mine  # the whole table"
    ledger = read_ledger(folder / "runs")
    assert {ledger.requests[run].purpose for run in runs} == {Purpose.SEQUENTIAL}


def test_compare_says_the_same(decided: Path) -> None:
    compared = run_dropexp(decided, "compare", "study=mine", "-f", "json")
    rows = json.loads(compared.stdout)["rows"]
    verdicts = {row["setting"]: row["verdict"] for row in rows if row["verdict"]}
    again = run_dropexp(decided, *SWEEP)
    shown = {
        "worse" if line.endswith("worse") else "open": line.split("  ")[0]
        for line in table(again)[1:3]
    }
    assert verdicts[shown["worse"]].startswith("worse")
    assert verdicts[shown["open"]] == "no clear difference"


def leave_over(runs: Path) -> list[Path]:
    """Leave what a crash does: of a finished run its checkpoint and a file half written."""
    finished = next(runs.glob("*/summary.json")).parent
    left = [finished / "checkpoint.pt", finished / ".summary.json.part", runs / BREAKDOWN_FILE]
    for path in left:
        path.touch()
    return left


def test_the_same_command_again_trains_nothing_and_ends_the_same(
    decided: Path, undisturbed: tuple[Done, Path]
) -> None:
    leftovers = leave_over(decided / "runs")
    before = trained_runs(decided)
    again = run_dropexp(decided, *SWEEP)
    assert not any(path.exists() for path in leftovers)
    assert again.returncode == 0, again.stderr
    assert "none trained" in again.stdout
    assert table(again) == table(undisturbed[0])
    extended = run_dropexp(decided, "extend", "mine", *OPTIONS)
    assert extended.returncode == 0, extended.stderr
    assert "none trained" in extended.stdout
    assert table(extended) == table(undisturbed[0])
    assert trained_runs(decided) == before


@pytest.mark.slow
def test_kill_9_at_any_time_and_the_same_command_again_reach_the_same_end(
    tmp_path: Path, undisturbed: tuple[Done, Path]
) -> None:
    done, folder = undisturbed
    kept: dict[str, int] = {}
    for finished in (3, 22):  # in the first round, and in a later one
        process = start_dropexp(tmp_path, *SWEEP)
        wait_until(
            lambda least=finished: len(trained_runs(tmp_path)) >= least  # type: ignore[misc]
        )
        process.kill()
        process.communicate()
        wait_until(lambda pid=process.pid: not list_processes(pid))  # type: ignore[misc]
        assert trained_runs(tmp_path).items() >= kept.items()
        kept = trained_runs(tmp_path)
    again = run_dropexp(tmp_path, *SWEEP)
    assert again.returncode == 0, again.stdout + again.stderr
    assert table(again) == table(done)
    begun = trained_runs(tmp_path)
    assert begun.keys() == trained_runs(folder).keys()
    assert begun.items() >= kept.items(), "a finished run was trained again"


@pytest.mark.slow
def test_two_at_once_share_the_work(tmp_path: Path, undisturbed: tuple[Done, Path]) -> None:
    done, folder = undisturbed
    processes = [start_dropexp(tmp_path, *SWEEP, stderr=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        out, errors = process.communicate()
        assert process.returncode == 0, out + errors
        ended = subprocess.CompletedProcess(SWEEP, 0, out, errors)
        assert table(ended) == table(done)
    assert trained_runs(tmp_path) == trained_runs(folder)


def test_a_margin_decides_a_row_without_an_effect(decided: Path) -> None:
    done = run_dropexp(decided, "extend", "mine", "--until-decided", "--margin", "0.001")
    assert done.returncode == 0, done.stderr
    assert "none trained" in done.stdout
    assert "finished: every row is decided" in done.stdout
    assert table(done)[1].endswith("practically equal")
    assert table(done)[2].endswith("worse")
    assert "dropexp compare study=mine --margin 0.001 " in done.stdout


@pytest.mark.slow
def test_a_budget_in_runs_ends_it_and_a_larger_one_goes_on(decided: Path) -> None:
    shutil.rmtree(decided / "runs" / ".studies")
    (decided / "runs" / ".ledger.jsonl").unlink()  # as if other sweeps had trained them
    done = run_dropexp(decided, "sweep", *SETTINGS, "--until-decided", "--budget", "4runs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the budget does not pay for another round" in done.stdout
    assert "4 trained" in done.stdout
    assert "1 row open: --budget 8runs goes on" in done.stdout
    same = run_dropexp(decided, "sweep", *SETTINGS, "--until-decided", "--budget", "4runs")
    assert "none trained" in same.stdout
    more = run_dropexp(decided, "sweep", *SETTINGS, "--until-decided", "--budget", "6runs")
    assert "2 trained" in more.stdout


@pytest.mark.slow
def test_a_budget_in_time_ends_it_and_the_same_command_goes_on(tmp_path: Path) -> None:
    slow = ("train.epochs=300", "hydra.launcher.n_jobs=1")  # a decision takes minutes
    budget = ("--until-decided", "--budget", "2s")
    done = run_dropexp(tmp_path, "sweep", *SETTINGS, *slow, *budget)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finished: the time of the budget is up" in done.stdout
    assert "2 rows open: the same command goes on" in done.stdout


@pytest.mark.slow
def test_a_failed_run_does_not_count_and_is_trained_again_on_request(
    decided: Path, undisturbed: tuple[Done, Path]
) -> None:
    [run] = (decided / "runs").glob("dropout2d-p0.9-s2-*")
    (run / "summary.json").unlink()
    (run / "error.txt").write_text("no memory left\n")
    done = run_dropexp(decided, *SWEEP)
    assert done.returncode == 1
    assert f"{run.name}  failed: no memory left" in done.stdout
    assert table(done)[2] != table(undisturbed[0])[2]  # it has got another seed
    again = run_dropexp(decided, *SWEEP, "--retry-failed")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "1 trained" in again.stdout
    assert table(again) == table(undisturbed[0])


def test_the_question_of_a_study_file_counts_and_options_replace_it(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "question: {metric: val_acc, margin: 0.02}\n"
        "hydra: {sweeper: {params: {regulariser: 'none,dropout2d', seed: 'range(9)'}}}\n"
    )
    command = ("sweep", "study=mine.yaml", "--until-decided", "--dry-run")
    stated = run_dropexp(tmp_path, *command)
    assert "1 row by val_acc" in stated.stdout
    assert "starts with 9 seeds" in stated.stdout
    assert "without --margin" not in stated.stdout
    replaced = run_dropexp(tmp_path, *command, "--metric", "test_loss")
    assert "1 row by test_loss" in replaced.stdout


def test_rows_of_the_study_that_asked_first_count_in_the_correction(decided: Path) -> None:
    seeds = sum("-p0.9-" in run for run in trained_runs(decided))
    other = ("study=other", "regulariser=none,dropout2d", "p=0.9", f"seed=range({seeds})", *QUICK)
    done = run_dropexp(decided, "sweep", *other, "--until-decided", "--dry-run")
    assert "the correction counts 1 row more" in done.stdout
    assert "nothing to train: every row is decided" in done.stdout
    single = run_dropexp(decided, "sweep", *other, "data.train_size=61", *OPTIONS, "--dry-run")
    assert "the correction counts" not in single.stdout
    assert "with 1 row no verdict is possible below 6 seeds" in single.stdout


def test_a_dry_run_lists_the_first_round_and_starts_nothing(tmp_path: Path) -> None:
    done = run_dropexp(tmp_path, *SWEEP, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^\S+-s\d-\w{8} +new", done.stdout, flags=re.MULTILINE)) == 21
    assert "later rounds follow from the results" in done.stdout
    assert trained_runs(tmp_path) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "regulariser=dropout2d", "--until-decided"], ["baseline", "none,dropout2d"]),
        (
            ["sweep", "regulariser=none", "--until-decided"],
            ["a setting to compare with none", "Add a regulariser"],
        ),
        (["extend", "mine", "--until-decided", "--margin", "1%"], ["--margin 1%", "0.01"]),
        (["sweep", *SETTINGS, "--until-decided", "--at", "first"], ["--at first", "best, last"]),
        (
            ["sweep", *SETTINGS, "seed=range(13)", "--until-decided", "--budget", "20runs"],
            ["the 13 seeds to start with need 39 runs", "78runs"],
        ),
        (["sweep", *SETTINGS, "--until-decided", "--margin", "-0.1"], ["--margin -0.1", "above 0"]),
        (["sweep", *SETTINGS, "--until-decided", "--budget", "3days"], ["3days", "30min"]),
        (["sweep", *SETTINGS, "--until-decided", "--budget", "9runs"], ["9runs", "21 runs"]),
        (["sweep", *SETTINGS, "--until-decided", "--most-seeds", "6"], ["--most-seeds 6", "7"]),
        (["sweep", *SETTINGS, "--until-decided", "--most-seeds", "0"], ["--most-seeds 0"]),
        (
            ["sweep", *SETTINGS, "seed=range(9)", "--until-decided", "--most-seeds", "8"],
            ["--most-seeds 8", "9 seeds"],
        ),
        (["sweep", *SETTINGS, "--until-decided", "--at", "matched"], ["--at matched", "best"]),
        (["sweep", *SETTINGS, "--until-decided", "force=true"], ["force=true"]),
        (["sweep", *SETTINGS, "--until-decided", "seed=x"], ["seed"]),
        (["sweep", *SETTINGS, "--until-decided", "seed=-1"], ["seed"]),
        (["sweep", *SETTINGS, "--budget", "1h"], ["--budget", "--until-decided"]),
        (["sweep", *SETTINGS, "--most-seeds", "9"], ["--most-seeds", "--until-decided"]),
        (["sweep", *SETTINGS, "--metric", "val_loss"], ["--metric", "--until-decided"]),
        (["extend", "mine"], ["--until-decided", "--seeds +4"]),
        (["extend", "mine", "--seeds", "+4", "--until-decided"], ["leave out --seeds"]),
        (["extend", "mine", "--seeds", "+4", "--margin", "0.1"], ["--margin", "--until-decided"]),
        (["extend", "mine", "--until-decided", "p=0.4"], ["p=0.4", "another study"]),
        (["extend", "nowhere", "--until-decided"], ["nowhere"]),
    ],
)
def test_a_mistake_gets_a_sentence_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", lambda: None)
    assert_refused(tmp_path, arguments, words)


@pytest.mark.parametrize(
    ("words", "rows"),
    [
        (("study=classics",), "9 rows by"),
        (("classic=none,label_smoothing",), "1 row by"),
    ],
)
def test_classics_are_decided_too(tmp_path: Path, words: tuple[str, ...], rows: str) -> None:
    done = run_dropexp(tmp_path, "sweep", *words, "--until-decided", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert rows in done.stdout


def test_a_budget_says_what_counts(decided: Path) -> None:
    spent = run_dropexp(decided, "extend", "mine", "--until-decided", "--budget", "20runs")
    assert spent.returncode == 2
    runs = re.search(r"asked for before in this study count.* has (\d+) runs", spent.stderr)
    assert runs
    enough = f"{runs[1]}runs"
    start = ("extend", "mine", "--until-decided", "--dry-run", "--budget")
    assert run_dropexp(decided, *start, enough).returncode == 0
    assert run_dropexp(decided, *start, f"{int(runs[1]) - 1}runs").returncode == 2


def test_a_study_of_runs_that_are_all_there_can_be_compared(decided: Path) -> None:
    seeds = sum("-p0.9-" in run for run in trained_runs(decided))
    words = ("study=other", "regulariser=none,dropout2d", "p=0.9", f"seed=range({seeds})", *QUICK)
    done = run_dropexp(decided, "sweep", *words, "--until-decided")
    assert "none trained now" in done.stdout
    compared = run_dropexp(decided, "compare", "study=other")
    assert compared.returncode == 0, compared.stderr
    assert "worse" in compared.stdout


def test_a_label_alone_is_to_be_extended(decided: Path) -> None:
    done = run_dropexp(decided, "sweep", "study=mine", "--until-decided")
    assert done.returncode == 2
    assert done.stderr.endswith("dropexp extend mine --until-decided\n")


def test_a_stated_margin_belongs_to_its_metric() -> None:
    stated = StudyQuestion(metric="test_loss", margin=0.01)

    def ask(metric: str | None) -> float | None:
        parsed = None if metric is None else parse_metric(metric)
        return SequentialOptions(None, None, None, parsed, None).ask(stated).margin

    assert (ask(None), ask("test_loss"), ask("test_acc")) == (0.01, 0.01, None)
