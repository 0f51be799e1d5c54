"""Whatever happens to a store, or to its index, the listing is that of the folders."""

import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.index import INDEX
from dropexp.runs.listing import list_runs
from tests.runs.indexed import describe, list_without_index

pytestmark = pytest.mark.usefixtures("index_small_stores")


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


def refute(indexed_template: Path, folder: Path, seed: int) -> None:
    """Fail if after some attacks the index says what the folders do not say."""
    random.seed(seed)
    runs = Path(shutil.copytree(indexed_template, folder / str(seed)))
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
    indexed_template: Path, tmp_path: Path
) -> None:
    for seed in range(6):
        refute(indexed_template, tmp_path, seed)


@pytest.mark.slow
def test_the_listing_is_that_of_the_folders_whatever_happens_often(
    indexed_template: Path, tmp_path: Path
) -> None:
    for seed in range(6, 400):
        refute(indexed_template, tmp_path, seed)


HOSTILE = (
    "INSERT INTO settings VALUES (0, NULL, 0)",
    "INSERT INTO settings VALUES ('x', x'00', 'y')",
    "DELETE FROM settings",
    "UPDATE runs SET ids = x'ff'",
    "UPDATE runs SET ids = ids || char(10) || 'none-p0-s0-00000000'",
    "UPDATE runs SET records = 'text'",
    "UPDATE runs SET setting = setting + 1",
    "UPDATE runs SET records = zeroblob(900000)",
    "UPDATE runs SET stamps = zeroblob(length(stamps))",
    "INSERT INTO settings VALUES (9, zeroblob(90000000), 0)",
    "CREATE TRIGGER more AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
    "DROP TABLE runs; CREATE VIEW runs (id, record) AS WITH RECURSIVE n(i) AS "
    "(SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT 'a' || i, x'00' FROM n WHERE i < 0",
)


@pytest.mark.parametrize("change", HOSTILE)
def test_an_index_that_somebody_else_has_made_does_no_harm(indexed_runs: Path, change: str) -> None:
    expected = list_without_index(indexed_runs)
    list_runs(indexed_runs)
    with sqlite3.connect(indexed_runs / INDEX) as database:
        database.executescript(change)
    database.close()
    assert describe(list_runs(indexed_runs)) == expected
