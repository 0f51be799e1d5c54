"""`dropexp study` as its user meets it."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import QUICK, Dropexp, run_dropexp
from tests.run_folders import write_finished_run

WORDS = ("regulariser=none,dropout2d", "p=0.3", *QUICK[:-1])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study ``mine`` was registered and really trained."""
    folder = tmp_path_factory.mktemp("registered")
    registered = run_dropexp(folder, "study", "register", "mine", *WORDS, "--seeds", "6")
    assert registered.returncode == 0, registered.stderr
    swept = run_dropexp(folder, "sweep", "study=mine", "hydra.launcher.n_jobs=1")
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert "12 of 12 runs done" in swept.stdout
    return folder


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A copy of that folder."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_what_was_registered_is_printed(dropexp: Dropexp, tmp_path: Path) -> None:
    options = ("--metric", "test_acc", "--at", "last", "--margin", "0.01", "--seeds", "8")
    done = dropexp("study", "register", "mine", *WORDS, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert "question    test accuracy at the last epoch, margin 0.01, test auto" in done.stdout
    assert "16 runs, 8 seeds: regulariser=none,dropout2d p=0.3" in done.stdout
    assert "1 row, 8 seeds: a difference of 1.5 SD" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("next    dropexp sweep study=mine ")
    file = tmp_path / "runs" / ".studies" / "mine.registered.yaml"
    assert file.is_file()
    assert str(file.relative_to(tmp_path)) in done.stdout
    shown = dropexp("study", "show", "mine")
    assert shown.stdout.splitlines() == done.stdout.splitlines()[: len(shown.stdout.splitlines())]
    listed = dropexp("study", "list")
    assert listed.stdout.splitlines()[1].split()[:4:3] == ["mine", "8"]
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.name[0] != "."] == []


def test_a_design_that_cannot_conclude_is_refused(dropexp: Dropexp, tmp_path: Path) -> None:
    done = dropexp("study", "register", "mine", *WORDS, "seed=range(200,204)")
    assert done.returncode == 2
    assert "'seed=range(200,208)'" in done.stderr
    assert not (tmp_path / "runs" / ".studies").exists()


def test_a_registered_study_is_replaced_before_it_is_trained(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    first = dropexp("study", "register", "mine", *WORDS, "--seeds", "6")
    assert "replaces" not in first.stdout
    second = dropexp("study", "register", "mine", *WORDS, "--seeds", "8")
    assert second.returncode == 0, second.stderr
    assert second.stdout.splitlines()[0] == (
        "replaces the study registered before, which is kept as "
        "runs/.studies/mine.registered.1.yaml"
    )
    assert "16 runs, 8 seeds" in dropexp("study", "show", "mine").stdout
    assert dropexp("study", "list").stdout.count("mine") == 1


@pytest.mark.parametrize("is_empty", [True, False])
def test_comparing_an_untrained_registered_study_says_what_to_type(
    dropexp: Dropexp, tmp_path: Path, is_empty: bool
) -> None:
    if not is_empty:
        write_finished_run(tmp_path / "runs", 0.5, "regulariser=none", "seed=0")
    assert dropexp("study", "register", "mine", *WORDS, "--seeds", "6").returncode == 0
    done = dropexp("compare", "study=mine")
    assert done.returncode == 2
    assert "Train it with dropexp sweep study=mine." in done.stderr
    other = dropexp("compare", "study=other")
    assert "dropexp sweep" not in other.stderr


def test_unknown_studies_are_explained_alike(folder: Path) -> None:
    shown, verified = (run_dropexp(folder, "study", word, "nope") for word in ("show", "verify"))
    assert shown.returncode == verified.returncode == 2
    assert shown.stderr == verified.stderr
    assert "No study in runs has the name 'nope'. Known: mine." in shown.stderr


def test_another_folder_of_runs_stays_in_the_next_command(dropexp: Dropexp, tmp_path: Path) -> None:
    done = dropexp("study", "register", "mine", *WORDS, "--seeds", "8", "-r", "elsewhere")
    assert "dropexp sweep study=mine runs_dir=elsewhere" in done.stdout
    assert (tmp_path / "elsewhere" / ".studies" / "mine.registered.yaml").is_file()
    again = dropexp("study", "register", "mine", *WORDS, "runs_dir=elsewhere")
    assert "kept as elsewhere/.studies/mine.registered.1.yaml" in again.stdout


def test_compare_says_that_the_question_is_the_registered_one(folder: Path) -> None:
    same = run_dropexp(folder, "compare", "study=mine")
    assert "This is the study mine as registered on " in same.stdout
    assert "The planned test" in same.stdout
    other = run_dropexp(folder, "compare", "study=mine", "--at", "last")
    assert "This differs from the study mine registered on " in other.stdout
    assert ": at last and not best." in other.stdout
    report = run_dropexp(folder, "report", "study=mine", "-o", "report.md")
    assert report.returncode == 0
    assert "This is the study mine as registered on " in (folder / "report.md").read_text()


def test_a_registered_study_is_verified(folder: Path) -> None:
    done = run_dropexp(folder, "study", "verify", "mine", "--sample", "1")
    assert done.returncode == 0, done.stdout
    assert "the hash is right, and no run was added to its 12" in done.stdout
    assert "identical: every number of 2 epochs is as recorded" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 run trained again: all as recorded"
    again = run_dropexp(folder, "study", "verify", "mine", "--sample", "1")
    assert again.stdout == done.stdout  # the same choice


def change_numbers(runs_dir: Path, *, hides_it: bool) -> None:
    """Change the last validation loss of every run; ``hides_it``: and leave no checksum."""
    for path in runs_dir.glob("*/metrics.csv"):
        rows = list(csv.DictReader(path.read_text().splitlines()))
        rows[-1]["val_loss"] = str(float(rows[-1]["val_loss"]) + 0.25)
        with path.open("w") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)
        if hides_it:
            summary = json.loads((path.parent / "summary.json").read_text())
            summary["files"] = {}
            (path.parent / "summary.json").write_text(json.dumps(summary))


@pytest.mark.parametrize(
    ("hides_it", "said"), [(True, "does not agree"), (False, "does not agree with its checksum")]
)
def test_numbers_that_differ_end_with_exit_code_1(folder: Path, hides_it: bool, said: str) -> None:
    change_numbers(folder / "runs", hides_it=hides_it)
    done = run_dropexp(folder, "study", "verify", "mine", "--sample", "1")
    assert done.returncode == 1
    assert said in " ".join(done.stdout.split())
    assert done.stdout.splitlines()[-1].startswith("1 run trained again: 1 not as recorded")


@pytest.mark.parametrize("change", ["file", "run", "folder"])
def test_what_was_changed_is_found_without_training(folder: Path, change: str) -> None:
    runs = folder / "runs"
    if change == "file":
        file = runs / ".studies" / "mine.registered.yaml"
        file.write_text(file.read_text().replace("at: best", "at: last"))
        words = "the file of mine was changed after it was registered"
    elif change == "run":
        more = ("sweep", "study=mine", "seed=7", "hydra.launcher.n_jobs=1")
        assert run_dropexp(folder, *more).returncode == 0
        words = "2 runs (dropout2d-p0.3-s7-"
    else:
        path = next(runs.glob("none-p0-s0-*"))
        config = path / "config.yaml"
        config.write_text(config.read_text().replace("epochs: 2", "epochs: 3"))
        words = f"the folder {path.name} does not hold the run of its name"
    done = run_dropexp(folder, "study", "verify", "mine", "--sample", "0")
    assert done.returncode == 1
    assert words in done.stdout
    assert done.stdout.splitlines()[-1] == "no finished run to train again; 1 problem"


def test_the_file_trains_the_same_elsewhere(folder: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    shutil.copy(folder / "runs" / ".studies" / "mine.registered.yaml", there / "sent.yaml")
    done = run_dropexp(there, "sweep", "study=sent.yaml", "hydra.launcher.n_jobs=1")
    assert done.returncode == 0, done.stderr
    names = [sorted(path.name for path in root.glob("runs/*-s*")) for root in (folder, there)]
    assert names[0] == names[1]
    compared = run_dropexp(there, "compare", "study=mine")
    assert "This is the study mine as registered on " in compared.stdout


def test_a_study_file_states_the_question_of_compare(dropexp: Dropexp, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "question: {at: last}\n"
        "hydra: {sweeper: {params: {regulariser: none, seed: '0,1', train.epochs: 1}}}\n"
    )
    swept = dropexp("sweep", "study=mine.yaml", *QUICK[1:-1], "hydra.launcher.n_jobs=1")
    assert swept.returncode == 0, swept.stderr
    compared = dropexp("compare", "study=mine")
    assert "each run at its last epoch" in compared.stdout
    assert (
        "The study mine asks for the last epoch; options such as --at replace that."
        in compared.stdout
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["register", "mine", "p=0.1,"], "cannot be read"),
        (["register", "mine", "--metric", "acc"], "--metric acc is unknown"),
        (["register", "mine", "--margin", "-1"], "--margin -1 is not allowed"),
        (["register", "mine", "--margin", "0"], "--margin 0 is not allowed"),
        (["register", "mine", *WORDS, "--at", "matched"], "--at matched cannot be registered"),
        (["register", "mine", "regulariser=none"], "no row to be tested"),
        (["register", "mine", "--at", "end"], "--at"),
        (["register", "mine", "--seeds", "0"], "--seeds"),
        (["register", "mine", "device=cpu"], "says where or how"),
        (["register", "mine", "--metric", "mc_test_loss", "--at", "last"], "cannot be used with"),
        (["register"], "NAME"),
        (["show", "mine"], "No study in runs has the name 'mine'"),
        (["verify", "mine"], "No study in runs has the name 'mine'"),
    ],
)
def test_mistakes_get_a_sentence(
    dropexp: Dropexp, tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = dropexp("study", *arguments)
    assert done.returncode == 2, done.stdout
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs" / ".studies").exists()


def test_a_study_whose_run_has_ended_cannot_be_registered(dropexp: Dropexp, tmp_path: Path) -> None:
    write_finished_run(tmp_path / "runs", 0.5, "regulariser=none", *QUICK, "seed=0")
    done = dropexp("study", "register", "mine", *WORDS)
    assert done.returncode == 2
    assert "a study can only be registered before" in " ".join(done.stderr.split())
    assert "seed=range(100,108)" in done.stderr


def test_a_folder_without_registered_studies_says_so(dropexp: Dropexp) -> None:
    assert "runs has no registered study" in dropexp("study", "list").stdout


@pytest.mark.slow
def test_the_quick_study_ends_with_verdicts(dropexp_process: Dropexp) -> None:
    swept = dropexp_process("sweep", "study=quick")
    assert swept.returncode == 0, swept.stdout + swept.stderr
    assert swept.stderr == ""
    done = dropexp_process("compare", "study=quick", "--format", "json")
    comparison = json.loads(done.stdout)
    verdicts = [row["verdict"] for row in comparison["rows"] if row["baseline"] is not None]
    assert len(verdicts) == 4
    assert "better" in verdicts
