"""`dropexp runs` as its user meets it."""

import csv
import json
import re
from pathlib import Path

import pytest

from tests.conftest import Dropexp, Terminal
from tests.run_folders import make_record, write_finished_run, write_unfinished_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two finished runs and an interrupted one, which nobody has trained."""
    folder = tmp_path / "runs"
    folder.mkdir()
    for loss, overrides in ((0.5, ("regulariser=dropout2d", "p=0.3")), (0.9, ("seed=1",))):
        write_finished_run(folder, loss, *overrides).write_metrics([make_record(1, 1.0)])
    write_unfinished_run(folder, "regulariser=dropout2d", "p=0.1")
    return folder


def ids(output: str) -> list[str]:
    words = [line.split()[0] for line in output.splitlines() if line.strip()]
    return [word.rsplit("-", 1)[0] for word in words if "-p0" in word]


# --- list -------------------------------------------------------------------------------------


def test_runs_lists_and_filters_with_or_without_the_word(dropexp: Dropexp, runs: Path) -> None:
    everything = dropexp("runs")
    assert (everything.returncode, everything.stderr) == (0, "")
    assert sorted(ids(everything.stdout)) == [
        "dropout2d-p0.1-s0",
        "dropout2d-p0.3-s0",
        "none-p0-s1",
    ]
    assert "\x1b" not in everything.stdout
    assert dropexp("runs", "list").stdout == everything.stdout
    some = dropexp("runs", "regulariser=dropout2d", "--sort", "-p", "-r", "runs")
    assert ids(some.stdout) == ["dropout2d-p0.3-s0", "dropout2d-p0.1-s0"]


def test_json_and_csv_are_for_programs(dropexp: Dropexp, runs: Path) -> None:
    rows = json.loads(dropexp("runs", "p=0.3", "--format", "json").stdout)
    assert [(row["p"], row["best.test_loss"], row["train.clip"]) for row in rows] == [
        (0.3, 0.5, None)
    ]
    lines = dropexp("runs", "-f", "csv", "--sort", "test_loss").stdout.splitlines()
    assert [row["best.test_loss"] for row in csv.DictReader(lines)] == ["0.5", "0.9", ""]


def test_a_damaged_folder_does_not_stop_the_list(dropexp: Dropexp, runs: Path) -> None:
    (next(runs.glob("none-*")) / "summary.json").write_text("{")
    done = dropexp("runs", "status=damaged")
    assert done.returncode == 0
    assert ids(done.stdout) == ["none-p0-s1"]
    assert "summary.json is damaged" in done.stderr


def test_no_runs_are_a_sentence(dropexp: Dropexp, tmp_path: Path, runs: Path) -> None:
    (tmp_path / "empty").mkdir()
    empty = dropexp("runs", "-r", "empty")
    assert (empty.returncode, empty.stdout.count("holds no runs")) == (0, 1)
    none = dropexp("runs", "p=0.7")
    assert (none.returncode, none.stdout) == (0, "no run in the folder runs has p=0.7.\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "-r", "nowhere"], "nowhere is not a folder"),
        (["runs", "data.trainsize=3"], "data.train_size"),
        (["runs", "--sort", "tst_loss"], "test_loss"),
        (["runs", "p=0.3", "show"], "right after runs"),
        (["runs", "show", "dropuot2d-p0.3"], "dropout2d-p0.3-s0"),
        (["runs", "show", "drop"], "give more of the id"),
        (["runs", "rm", "none", "p=0.3", "--yes"], "both ids and filters"),
        (
            ["runs", "rm", "none", "spatial", "--yes"],
            "No run in the folder runs has the id spatial",
        ),
        (["runs", "rm", "none"], "--yes"),
        (
            ["runs", "rm", "changed<gestern", "--yes"],
            "'gestern' is not a date; write a date (2026-",
        ),
        (["runs", "rm", "", "--yes"], "an empty id names no run"),
        (["compare", "regulariser=dropoutd"], "Did you mean dropout2d?"),
        (["sweep", "seed=1", "--dryrun"], "Did you mean --dry-run?"),
        (["study", "register", "x", "--seeds", "range(1,9)"], "write 'seed=range(1,9)'"),
        (["runs", "show", ""], "an empty id names no run"),
        (["compare", "quick"], "has the id quick. study=quick selects the runs of this study."),
        (["runs", "remove", "none"], "runs has no command remove. Did you mean dropexp runs rm?"),
        (["compare", "nowhere/"], "there is no folder nowhere/; name"),
        (["runs", "show", "~nobodyy/x"], "there is no folder ~nobodyy/x"),
        (["runs", "show", "ä" * 400], "ä…"),
        (["compare", ""], "an empty id names no run"),
        (["compare", "ä" * 400], "ä…"),
        (["compare", "study=../../x"], "it names a file"),
        (["rerun", "dropout2d-p0.1"], "not a finished run"),
        (["rerun", "none", "train.epochs=3"], "is not allowed"),
        (["rerun", "none", "--into", "runs"], "choose another"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gets_a_sentence_and_changes_nothing(
    dropexp: Dropexp, runs: Path, arguments: list[str], said: str
) -> None:
    before = sorted(runs.rglob("*"))
    done = dropexp(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert sorted(runs.rglob("*")) == before


# --- show -------------------------------------------------------------------------------------


def test_show_tells_all_about_a_failed_run(dropexp: Dropexp, runs: Path) -> None:
    folder = next(runs.glob("dropout2d-p0.1-*"))
    (folder / "error.txt").write_text("".join(f"line {n}\n" for n in range(20)) + "KeyError: 3\n")
    (folder / "audit.json").write_text(
        json.dumps(
            {
                "passed": False,
                "checks": [
                    {
                        "name": "drop_rate",
                        "passed": False,
                        "value": 0.123456,
                        "bound": 0.5,
                        "meaning": "what it means",
                    }
                ],
            }
        )
    )
    shown = dropexp("runs", "show", folder.name[-8:]).stdout
    assert shown.startswith(f"{folder.name}  failed ")
    assert re.search(r"regulariser\.name +dropout2d +default none\n", shown)
    for words in (
        "KeyError: 3",
        f"the end of runs/{folder.name}/error.txt",
        "FAILED  drop_rate  0.123    0.5  what it means",
        "config.yaml",
        "trained by  dropexp train regulariser=dropout2d p=0.1",
    ):
        assert words in shown
    assert "line 3\n" not in shown


def test_show_survives_a_damaged_folder(dropexp: Dropexp, runs: Path) -> None:
    folder = next(runs.glob("none-*"))
    for name in ("config.yaml", "metrics.csv", "audit.json", "environment.json"):
        (folder / name).write_text("{\x00")
    done = dropexp("runs", "show", "none")
    assert done.returncode == 0, done.stderr
    assert "damaged" in done.stdout
    assert "Traceback" not in done.stderr


# --- rm ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["\n", "n\n"])
def test_rm_asks_and_keeps_the_runs_unless_the_answer_is_yes(
    dropexp: Dropexp, runs: Path, answer: str
) -> None:
    before = sorted(runs.rglob("*"))
    done = dropexp("runs", "rm", "p>=0.2", stdin=Terminal(answer))
    assert "Remove 1 run, " in done.stdout
    assert "chosen by p>=0.2" in done.stdout
    assert "nothing was removed" in done.stdout
    assert sorted(runs.rglob("*")) == before


def test_rm_removes_on_yes(dropexp: Dropexp, runs: Path) -> None:
    others = [path for path in runs.iterdir() if "p0.3" not in path.name]
    done = dropexp("runs", "rm", "p>=0.2", stdin=Terminal("y\n"))
    assert "1 of 1 run removed" in done.stdout
    assert sorted(runs.iterdir()) == sorted(others)


def test_rm_says_what_it_may_not_remove_and_removes_the_others(
    dropexp: Dropexp, runs: Path
) -> None:
    (runs / "none-p0-s9-00000000").symlink_to(next(runs.glob("none-p0-s1-*")))
    done = dropexp("runs", "rm", "--yes", "none-p0-s9", "dropout2d-p0.1", "dropout2d-p0.3")
    assert done.returncode == 1
    assert "is a link" in done.stderr
    assert "2 of 3 runs removed" in done.stdout
    assert {path.name[:10] for path in runs.glob("[!.]*")} == {"none-p0-s1", "none-p0-s9"}


def test_rm_names_the_filter_that_no_run_passes(dropexp: Dropexp, runs: Path) -> None:
    done = dropexp("runs", "rm", "--yes", "seed=99")
    assert done.returncode == 0
    assert done.stdout == "no run in the folder runs has seed=99. Nothing was removed.\n"
