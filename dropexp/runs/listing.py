"""The runs of a folder, whatever their status, and the run of an abbreviated id.

Imports no torch. Filters and sorting are in selection.py.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Set
from operator import attrgetter
from pathlib import Path
from typing import Any

from dropexp.config.parsing import read_limited
from dropexp.errors import RunIdError, RunsDirError, StoreError, suggest, suggest_close
from dropexp.runs.damage import find_table_damage
from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.index import RunIndex, is_worth_writing, pack_run, stamp_files, write_index
from dropexp.runs.indexed_runs import IndexedRuns
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.parsing import MOST_BYTES
from dropexp.runs.read import FolderStatus
from dropexp.runs.records import RunStatus, RunSummary
from dropexp.runs.run_block import RunBlock, list_rows
from dropexp.runs.study_names import is_study
from dropexp.runs.write import RunFolder
from dropexp.terminal.numbers import list_few

_ID = re.compile(r"[a-z][a-z0-9_+]*-p[0-9.e+-]+-s(?P<seed>\d+)-[0-9a-f]{8}")
_FEWEST_HASH_DIGITS = 4
_MOST_CANDIDATES = 6
_LONGEST_ID = 80  # characters that an error repeats


def list_runs(runs_dir: Path, *, meanwhile: Callable[[], object] | None = None) -> list[ListedRun]:
    """Return every run folder in runs_dir by name; other folders are ignored.

    What the index of the folder holds is not read again; see index.py. If many finished runs are
    not in it, it is written anew.

    Args:
        runs_dir: the folder of run folders.
        meanwhile: what is needed next, such as reading the ledger; of many runs it may be called
            while another process looks at their files.

    Raises:
        RunsDirError: runs_dir is not a folder.
    """
    blocks = list_blocks(runs_dir, meanwhile=meanwhile)
    return sorted(list_rows(blocks), key=attrgetter("run_id"))


def list_blocks(runs_dir: Path, *, meanwhile: Callable[[], object] | None = None) -> list[RunBlock]:
    """Return list_runs in blocks, by the first name of each.

    Args:
        runs_dir: the folder of run folders.
        meanwhile: see list_runs.

    Raises:
        RunsDirError: runs_dir is not a folder.
    """
    since = time.monotonic()
    links = _scan_runs(runs_dir)
    index = RunIndex(runs_dir)
    wanted = {name for name, is_link in links.items() if not is_link}
    indexed = list(index.check(wanted, meanwhile=meanwhile))
    left = links.keys() - {run_id for packed in indexed for run_id in packed.run_ids}
    read = [
        run for name in sorted(left) if (run := read_run(RunFolder(runs_dir, name))) is not None
    ]
    new = [run.packed for run in read if run.packed is not None]
    if is_worth_writing(len(new), len(index)):
        write_index(runs_dir, [*indexed, *new], since)
    blocks = [
        *(RunBlock(runs_dir, packed) for packed in [*indexed, *_join_by_config(new)]),
        *(RunBlock(runs_dir, None, run) for run in read if run.packed is None),
    ]
    return sorted(blocks, key=attrgetter("first_id"))


def _join_by_config(runs: Iterable[IndexedRuns]) -> list[IndexedRuns]:
    by_config: dict[int, list[IndexedRuns]] = {}
    for each in runs:
        by_config.setdefault(id(each.shared), []).append(each)
    return [IndexedRuns.join(parts) for parts in by_config.values()]


def list_indexed_runs(index: RunIndex, runs_dir: Path, run_ids: Set[str]) -> list[ListedRun]:
    """Return those of some runs that need not be read, by setting; see RunIndex.check."""
    return list_rows(RunBlock(runs_dir, packed) for packed in index.check(run_ids))


def list_run_ids(runs_dir: Path) -> list[str]:
    """Return the names of all run folders and of links named so, without a look inside.

    Raises:
        RunsDirError: runs_dir is not a folder.
    """
    return sorted(_scan_runs(runs_dir))


def read_run(folder: RunFolder) -> ListedRun | None:
    """Return a run folder as a row; None if nothing has been written to it yet."""
    runs_dir, run_id = folder.path.parent, folder.run_id
    config: Mapping[str, Any] = {}
    results: RunSummary | IndexedRuns | None = None
    epochs, problem = 0, ""
    try:
        _refuse_link(folder)
        state = folder.status
        is_held = state is not FolderStatus.FINISHED and folder.is_held
        if state is FolderStatus.NEW and not is_held and _is_empty(folder):
            return None
        stamp = stamp_files(runs_dir, run_id) if state is FolderStatus.FINISHED else None
        if state is not FolderStatus.NEW or not is_held:
            config = folder.read_flat_config()
        summary = folder.read_summary() if state is FolderStatus.FINISHED else None
        if summary is not None and (damage := ", ".join(find_table_damage(folder, summary))):
            raise StoreError(f"{folder.path}: {damage}; the run's command trains it again.")
        status = _derive_status(state, summary, is_held=is_held)
        if summary is None:
            epochs = _count_epochs(folder)
        else:
            packed = pack_run(stamp, config, summary, run_id) if stamp else None
            results = packed or summary
    except (StoreError, OSError) as error:
        if not os.path.lexists(folder.path):
            return None  # removed while it was read
        status, epochs, problem = ListedStatus.DAMAGED, 0, str(error)
    changed = _find_change_time(folder)
    return ListedRun(runs_dir, run_id, status, changed, config, results, epochs, problem)


def holds_runs(path: Path) -> bool:
    """Return whether a path is a folder of run folders, and not a run folder itself."""
    try:
        return path.is_dir() and not (path / CONFIG).exists() and not is_run_id(path.resolve().name)
    except (OSError, ValueError):  # too long, or with a null byte
        return False


def find_run(runs_dir: Path, text: str) -> RunFolder:
    """Return the run folder that an abbreviated id or a path names.

    Args:
        runs_dir: the folder of run folders.
        text: a prefix of a run id or of its hash (at least four digits), or the path of a run
            folder or of its config.yaml.

    Raises:
        RunIdError: no run matches, or several do.
        RunsDirError: runs_dir is not a folder.
    """
    if not text.strip():
        raise RunIdError("an empty id names no run; dropexp runs lists the ids.")
    if (path := _find_folder(text)) is not None:
        return RunFolder(path.parent, path.name)
    ids = list(_scan_runs(runs_dir))
    matches = [text] if text in ids else [name for name in ids if _abbreviates(text, name)]
    if len(matches) == 1:
        return RunFolder(runs_dir, matches[0])
    if not matches and os.sep in text and not os.path.exists(text):  # noqa: PTH110 (any text)
        raise RunIdError(f"there is no folder {_shorten(text)}; name one, or the id of a run.")
    if not matches:
        hint = f"study={text} selects the runs of this study."
        raise RunIdError(
            f"No run in the folder {runs_dir} has the id {_shorten(text)}. "
            f"{hint if is_study(text, runs_dir) else _hint_at_ids(text, ids)}"
        )
    shown = list_few(sorted(matches), _MOST_CANDIDATES)
    raise RunIdError(f"{text} matches {shown}; give more of the id.")


def _find_folder(text: str) -> Path | None:
    """Return the run folder that a path names; None if the text is no path of one."""
    try:
        path = Path(text).expanduser()
        path = path.parent if path.name == CONFIG else path
        if not (path / CONFIG).is_file():
            return None
    except (OSError, ValueError, RuntimeError):  # too long, with a null byte, an unknown ~user
        return None
    return path.resolve() if path.name in ("", "..") else path


def is_run_id(name: str) -> bool:
    """Return whether a folder's name is that of a run."""
    return _ID.fullmatch(name) is not None


def find_seed(run_id: str) -> int:
    """Return the seed that a run id names; −1 for what is no run id."""
    match = _ID.fullmatch(run_id)
    return int(match["seed"]) if match else -1


def _scan_runs(runs_dir: Path) -> dict[str, bool]:
    """Return the name of each run folder → whether it is a link, which is listed as damaged.

    What a link leads to is in no folder of runs.
    """
    if not runs_dir.is_dir():
        raise RunsDirError(
            f"{runs_dir} is not a folder; dropexp train makes it, or --runs-dir names another."
        )
    with os.scandir(runs_dir) as entries:
        return {
            entry.name: entry.is_symlink()
            for entry in entries
            if is_run_id(entry.name) and (entry.is_dir(follow_symlinks=False) or entry.is_symlink())
        }


def _abbreviates(text: str, run_id: str) -> bool:
    digits = run_id.rpartition("-")[2]
    may_be_hash = len(text) >= _FEWEST_HASH_DIGITS
    return run_id.startswith(text) or (may_be_hash and digits.startswith(text))


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_ID else f"{text[:_LONGEST_ID]}…"


def _hint_at_ids(text: str, ids: list[str]) -> str:
    if not ids:
        return "It holds no runs; dropexp train makes one."
    if len(ids) <= _MOST_CANDIDATES:
        return suggest(text, ids)
    return suggest_close(text, ids) or f"dropexp runs lists all {len(ids)} runs."


def _derive_status(
    status: FolderStatus, summary: RunSummary | None, *, is_held: bool
) -> ListedStatus:
    if summary is not None:
        is_diverged = summary.status is RunStatus.DIVERGED
        return ListedStatus.DIVERGED if is_diverged else ListedStatus.FINISHED
    if is_held:
        return ListedStatus.RUNNING
    return ListedStatus.FAILED if status is FolderStatus.FAILED else ListedStatus.INTERRUPTED


def _refuse_link(folder: RunFolder) -> None:
    if os.path.islink(folder.path):  # noqa: PTH114 (Path.is_symlink takes three times as long)
        raise StoreError(f"{folder.path} is a link, not a run folder; it is not read.")


def _is_empty(folder: RunFolder) -> bool:
    return all(entry.name.startswith(".") for entry in folder.path.iterdir())


def _count_epochs(folder: RunFolder) -> int:
    """Count the lines after the heading; an incomplete last line does not count."""
    try:
        raw = read_limited(folder.path / METRICS, MOST_BYTES[METRICS])
        return max(0, raw.count(b"\n") - 1)
    except FileNotFoundError:
        return 0


def _find_change_time(folder: RunFolder) -> float:
    try:
        finished_at = folder.changed_at(SUMMARY)
        if finished_at:
            return finished_at
        with os.scandir(folder.path) as entries:
            # Testing a lock may write to its file.
            files = [entry for entry in entries if not entry.name.startswith(".")]
            times = [entry.stat(follow_symlinks=False).st_mtime for entry in files]
        return max(times, default=folder.path.stat().st_mtime)
    except OSError:
        return 0.0
