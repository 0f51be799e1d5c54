"""The index of a runs folder: what it says is what the folders say, whatever happens to either."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace as replace_values
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dropexp.runs import index as index_module
from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.index import INDEX, RunIndex
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.listing import list_runs
from dropexp.runs.records import RunSummary
from dropexp.runs.studies import save_study
from dropexp.runs.write import RunFolder
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.plan import PlanStatus, make_plan, make_study
from dropexp.sweep.progress import Watcher
from tests.run_folders import mark_diverged, write_finished_run, write_unfinished_run


@pytest.fixture(autouse=True)
def _index_small_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write an index for any new run, and as soon as it is written."""
    monkeypatch.setattr(index_module, "_FEWEST_NEW", 1)
    monkeypatch.setattr(index_module, "SETTLED_AFTER", -60.0)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with runs of every kind that an index may hold or must not hold."""
    runs = tmp_path_factory.mktemp("template") / "runs"
    for seed in range(3):
        write_finished_run(runs, 0.9, f"seed={seed}", "study=first")
        write_finished_run(runs, 0.7, "regulariser=dropout2d", "p=0.1", f"seed={seed}")
        write_finished_run(runs, 0.7, f"seed={seed}", "data.seed=1", "train.clip=1.5")
    write_finished_run(runs, 0.8, "optimiser=sgd", change=mark_diverged)
    write_finished_run(runs, 0.8, "seed=8", val_losses=(float("nan"),), change=mark_diverged)
    write_unfinished_run(runs, "seed=9")
    damaged = write_finished_run(runs, 0.8, "seed=10")
    damaged.write(SUMMARY, "{}")
    return runs


@pytest.fixture
def runs(template: Path, tmp_path: Path) -> Path:
    """A copy of the template."""
    return Path(shutil.copytree(template, tmp_path / "runs"))


def describe(runs: list[ListedRun]) -> list[Any]:
    """Return all that there is to know of listed runs."""
    return [(repr(run.values), run.problem, repr(run.summary), dict(run.config)) for run in runs]


def list_without_index(runs: Path) -> list[Any]:
    """Return the listing as it is where no index exists."""
    (runs / INDEX).unlink(missing_ok=True)
    listed = describe(list_runs(runs))
    (runs / INDEX).unlink(missing_ok=True)
    return listed


def count_rows(runs: Path) -> int:
    """Return for how many runs the index saves reading the folder now."""
    index = RunIndex(runs)
    return sum(index.find(path.name) is not None for path in runs.iterdir())


def test_finished_runs_are_listed_without_reading_their_files(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list_without_index(runs)
    list_runs(runs)
    assert count_rows(runs) == 11  # all but the unfinished and the damaged one
    read = []
    monkeypatch.setattr("dropexp.runs.listing.read_run", lambda folder: read.append(folder.run_id))
    listed = describe(list_runs(runs))
    assert len(read) == 2
    assert [run for run in expected if run in listed] == listed


# --- property: whatever happens to the store, the listing is that of the folders -------------


def replace(folder: Path, other: Path) -> None:
    """Put other results in the place of a run's, as training it again does."""
    part = folder / ".part"
    text = (folder / SUMMARY).read_text()
    part.write_text(text.replace('"test_loss": 0.7', '"test_loss": 0.2'))
    part.replace(folder / SUMMARY)


def change_in_place(folder: Path, other: Path) -> None:
    """Change a file, keep its size, and set its time back to what it was."""
    path = folder / random.choice((SUMMARY, CONFIG))
    before = path.stat()
    text = path.read_text()
    path.write_text(text.replace("0.8", "0.9").replace("lr: 0.001", "lr: 0.002"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def damage(folder: Path, other: Path) -> None:
    """Cut a file short."""
    path = folder / random.choice((SUMMARY, CONFIG, METRICS))
    os.truncate(path, random.choice((0, path.stat().st_size // 2)))


def remove(folder: Path, other: Path) -> None:
    """Remove the run, or one of its files."""
    name = random.choice((SUMMARY, CONFIG, METRICS, ""))
    (folder / name).unlink(missing_ok=True) if name else shutil.rmtree(folder)


def swap(folder: Path, other: Path) -> None:
    """Put the files of one run into the folder of another."""
    for name in (SUMMARY, CONFIG):
        if other.resolve() != folder.resolve() and (other / name).exists():
            shutil.copy2(other / name, folder / name)


def add(folder: Path, other: Path) -> None:
    """Copy a run to a folder of another id, with all its times."""
    target = folder.with_name(f"{folder.name[:-8]}{random.getrandbits(32):08x}")
    shutil.copytree(folder, target)


def link(folder: Path, other: Path) -> None:
    """Put a link to the run in its place."""
    if folder.is_symlink():
        return
    moved = folder.rename(folder.with_name(f"moved-{folder.name}"))
    folder.symlink_to(moved)


def touch(folder: Path, other: Path) -> None:
    """Set the times of a file to the past or the future."""
    now = (folder / CONFIG).stat().st_mtime
    os.utime(
        folder / random.choice((SUMMARY, CONFIG)), times=(now, now + random.choice((-9, 7200)))
    )


def list_again(folder: Path, other: Path) -> None:
    """List the runs, which may write the index."""
    list_runs(folder.parent)


def flip_bytes(folder: Path, other: Path) -> None:
    """Damage the index."""
    path = folder.parent / INDEX
    if path.exists():
        raw = bytearray(path.read_bytes())
        for _ in range(random.choice((1, 10, 1000))):
            raw[random.randrange(len(raw))] = random.randrange(256)
        path.write_bytes(raw[: random.choice((len(raw), len(raw) // 2))])


Attack = Callable[[Path, Path], None]
ATTACKS: tuple[Attack, ...] = (
    replace,
    change_in_place,
    damage,
    remove,
    swap,
    link,
    add,
    touch,
    list_again,
    list_again,
    flip_bytes,
)


def attack(runs: Path, attacks: int) -> Iterator[list[str]]:
    """Yield the names of what has happened so far, after each attack on a store."""
    names = []
    for _ in range(attacks):
        folders = [path for path in sorted(runs.iterdir()) if (path / SUMMARY).exists()]
        folders = [path for path in folders if (path / CONFIG).exists()]
        chosen = random.choice(ATTACKS)
        chosen(random.choice(folders), random.choice(folders))
        names.append(chosen.__name__)
        yield names


def refute(template: Path, folder: Path, seed: int) -> None:
    """Fail if after some attacks the index says what the folders do not say."""
    random.seed(seed)
    runs = Path(shutil.copytree(template, folder / str(seed)))
    list_runs(runs)
    for names in attack(runs, 6):
        listed = describe(list_runs(runs))
        kept = runs / INDEX
        moved = kept.exists() and kept.rename(folder / "kept")
        expected = list_without_index(runs)
        assert listed == expected, f"seed {seed}: {names}"
        if moved:
            moved.rename(kept)
    shutil.rmtree(runs)


def test_the_listing_is_that_of_the_folders_whatever_happens(
    template: Path, tmp_path: Path
) -> None:
    for seed in range(6):
        refute(template, tmp_path, seed)


@pytest.mark.slow
def test_the_listing_is_that_of_the_folders_whatever_happens_often(
    template: Path, tmp_path: Path
) -> None:
    for seed in range(6, 400):
        refute(template, tmp_path, seed)


# --- where an index cannot be, or not be used ------------------------------------------------


def test_a_run_that_has_just_been_written_is_not_yet_indexed(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change within one tick of the file system's clock would not show in the file's times."""
    monkeypatch.setattr(index_module, "SETTLED_AFTER", 60.0)
    list_runs(runs)
    assert (runs / INDEX).exists()
    assert count_rows(runs) == 0


def test_few_new_runs_are_not_worth_writing(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_FEWEST_NEW", 12)
    list_runs(runs)
    assert not (runs / INDEX).exists()
    write_finished_run(runs, 0.5, "seed=77")
    list_runs(runs)
    assert count_rows(runs) == 12


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "another format", "no index"])
def test_what_is_no_index_is_replaced_or_left_alone(runs: Path, kind: str) -> None:
    expected = list_without_index(runs)
    path = runs / INDEX
    match kind:
        case "link":
            path.symlink_to(runs / "nowhere")
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "another format":
            list_runs(runs)
            with sqlite3.connect(path) as database:
                database.execute("PRAGMA user_version = 7")
            database.close()
        case _:
            path.write_text("no database")
    assert describe(list_runs(runs)) == expected
    assert describe(list_runs(runs)) == expected
    assert count_rows(runs) == (0 if kind == "folder" else 11)
    assert not list(runs.glob("*.part*"))
    assert not (runs / "nowhere").exists()


HOSTILE = (
    "INSERT INTO settings VALUES (0, NULL, 0)",
    "INSERT INTO settings VALUES ('x', x'00', 'y')",
    "DELETE FROM settings",
    "UPDATE runs SET id = x'ff'",
    "UPDATE runs SET record = 'text'",
    "UPDATE runs SET record = zeroblob(900000)",
    "INSERT INTO settings VALUES (9, zeroblob(90000000), 0)",
    "CREATE TRIGGER more AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
    "DROP TABLE runs; CREATE VIEW runs (id, record) AS WITH RECURSIVE n(i) AS "
    "(SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'a' || i, x'00' FROM n WHERE i < 0",
)


@pytest.mark.parametrize("change", HOSTILE)
def test_an_index_that_somebody_else_has_made_does_no_harm(runs: Path, change: str) -> None:
    expected = list_without_index(runs)
    list_runs(runs)
    with sqlite3.connect(runs / INDEX) as database:
        database.executescript(change)
    database.close()
    assert describe(list_runs(runs)) == expected


def test_a_folder_that_cannot_be_written_is_read(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list_without_index(runs)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(index_module, "_lock", refuse)
    assert describe(list_runs(runs)) == expected
    assert not (runs / INDEX).exists()


def test_a_full_disk_leaves_the_old_index(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    list_runs(runs)
    old = (runs / INDEX).read_bytes()
    write_finished_run(runs, 0.5, "seed=77")

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(index_module, "_write", fail)
    assert len(list_runs(runs)) == 14
    assert (runs / INDEX).read_bytes() == old
    assert not list(runs.glob("*.part*"))


def test_a_second_writer_leaves_it_to_the_first(runs: Path) -> None:
    expected = list_without_index(runs)
    with index_module._lock(runs):
        assert describe(list_runs(runs)) == expected
        assert not (runs / INDEX).exists()
    list_runs(runs)
    assert count_rows(runs) == 11


# --- other readers of the index -----------------------------------------------------------------


def set_hash(config_hash: str, summary: RunSummary) -> RunSummary:
    """Return the summary as that of a run of this config."""
    return replace_values(summary, config_hash=config_hash)


def test_planning_and_watching_find_what_the_folders_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["regulariser=none,dropout2d", "p=0.3", "seed=range(3)", f"runs_dir={tmp_path}"]
    request = compose_sweep([*overrides, "study=mine"])
    for config in request.configs[:5]:
        name = config.regulariser.name
        folder = write_finished_run(
            tmp_path,
            0.5,
            f"regulariser={name}",
            "p=0.3",
            f"seed={config.seed}",
            change=partial(set_hash, config.config_hash),
        )
        folder.write("model.safetensors", "weights")
    study = save_study(tmp_path, make_study(request))

    def look() -> tuple[Any, ...]:
        progress = Watcher(tmp_path, study.runs).look()
        ended = sorted((one.run.run_id, one.is_successful) for one in progress.ended)
        return make_plan(request.configs, tmp_path).statuses, ended, progress.best

    expected = look()
    assert list(expected[0].values()).count(PlanStatus.FINISHED) == 5
    list_runs(tmp_path)
    assert count_rows(tmp_path) == 5
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "read_summary", None)
        assert look() == expected
    emptied = RunFolder(tmp_path, request.configs[0].run_id)
    os.truncate(emptied.path / "model.safetensors", 0)
    (tmp_path / request.configs[1].run_id / SUMMARY).unlink()
    indexed = look()
    (tmp_path / INDEX).unlink()
    assert indexed == look()
    assert list(indexed[0].values()).count(PlanStatus.INTERRUPTED) == 1
