"""Searches: what ``dropexp tune`` has tried and confirmed; imports no torch.

A search is a file beside the one of its study, ``<runs_dir>/.studies/NAME.tune.json``. The runs
themselves are in ordinary run folders, and a search that resumes reads those. This file says what
the search was asked, how far it is, and what a report shows of it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dropexp.config.parsing import MOST_BYTES_OF_STUDY, parse_json, read_limited
from dropexp.config.study_files import find_study_folder, refuse_study_name
from dropexp.errors import StoreError
from dropexp.runs.parsing import check_search
from dropexp.runs.studies import TUNE_SUFFIX
from dropexp.runs.study_folder import lock_study_file, write_whole


@dataclass(frozen=True, slots=True)
class TriedSetting:
    """A setting that the search has tried.

    Attributes:
        name: in tables: ``dropout2d p=0.3``.
        regulariser: as ``regulariser=`` chooses it.
        values: the keys that vary, each with its value as typed.
        differences: seed → validation loss − that of none on the same seed, in nats; None for a
            run that diverged or failed.
        is_complete: whether it was tried on all seeds of the search.
    """

    name: str
    regulariser: str
    values: Mapping[str, str]
    differences: Mapping[int, float | None]
    is_complete: bool


@dataclass(frozen=True, slots=True)
class ConfirmedPair:
    """A seed of a confirmation, and what is known up to it.

    Attributes:
        seed: of both runs.
        difference: test loss − that of none on this seed, in nats; NaN if one of them diverged.
        mean: of the differences up to this seed.
        low: the lower end of the anytime interval of the mean; infinite with few seeds.
        high: its upper end.
    """

    seed: int
    difference: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ConfirmedSetting:
    """A chosen setting against none on fresh seeds.

    Attributes:
        name: in tables.
        regulariser: as ``regulariser=`` chooses it.
        values: the keys that vary, each with its value as typed.
        verdict: what may be claimed, as a verdict of a comparison is written.
        p_value: of the anytime test, corrected for the settings confirmed; NaN without pairs.
        pairs: in the order of seeds.
    """

    name: str
    regulariser: str
    values: Mapping[str, str]
    verdict: str
    p_value: float
    pairs: tuple[ConfirmedPair, ...]


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """A search as its file holds it.

    Attributes:
        study: its name.
        overrides: what can be chosen, and what holds for all runs.
        first_seed: of the search.
        budget: as a sentence names it: ``150 runs``.
        confirm: ``best`` or ``each``.
        seconds: of wall time that all starts of the command have taken.
        batches: how many batches of runs the search had when its time was over; None before.
        runs: how many runs it has asked for.
        tried: in the order in which they were proposed.
        confirmed: the settings that were confirmed, also those of an earlier budget.
    """

    study: str
    overrides: tuple[str, ...]
    first_seed: int
    budget: str
    confirm: str
    seconds: float = 0.0
    batches: int | None = None
    runs: int = 0
    tried: tuple[TriedSetting, ...] = ()
    confirmed: tuple[ConfirmedSetting, ...] = ()

    @property
    def command(self) -> tuple[str, ...]:
        """The words of the command that makes this search, without ``dropexp``."""
        seed = (f"seed={self.first_seed}",) if self.first_seed else ()
        budget = self.budget.replace(" ", "").replace(",", "")
        confirm = () if self.confirm == "best" else ("--confirm", self.confirm)
        overrides = (*self.overrides, *seed, f"study={self.study}")
        return ("tune", *overrides, "--budget", budget, *confirm)


def save_search(runs_dir: Path, record: SearchRecord) -> None:
    """Write the file of a search, whole or not at all.

    Raises:
        RunsDirError: the folder cannot be written.
    """
    path = _path(runs_dir, record.study)
    with lock_study_file(runs_dir, path):
        write_whole(path, json.dumps(_to_json(record)))


def read_search(runs_dir: Path, study: str) -> SearchRecord | None:
    """Return the search of a study; None where the study is none.

    Raises:
        StoreError: its file is damaged.
    """
    path = _path(runs_dir, study)
    try:
        plain = parse_json(read_limited(path, MOST_BYTES_OF_STUDY), has_nan=True)
        return _from_json(check_search(plain, study))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} cannot be read ({error!s:.200}). Remove it: dropexp tune makes it anew from "
            f"the runs of the search."
        ) from None


def _path(runs_dir: Path, study: str) -> Path:
    refuse_study_name(study)
    return find_study_folder(runs_dir) / f"{study}{TUNE_SUFFIX}"


def _to_json(record: SearchRecord) -> dict[str, Any]:
    # Python's JSON has NaN and Infinity, and no other program reads this file.
    return asdict(record)


def _from_json(plain: Mapping[str, Any]) -> SearchRecord:
    tried = [TriedSetting(**one) for one in plain["tried"]]
    confirmed = [
        ConfirmedSetting(**{**one, "pairs": tuple(ConfirmedPair(**pair) for pair in one["pairs"])})
        for one in plain["confirmed"]
    ]
    values = {
        **plain,
        "overrides": tuple(plain["overrides"]),
        "tried": tuple(_with_seeds(one) for one in tried),
        "confirmed": tuple(confirmed),
    }
    return SearchRecord(**values)


def _with_seeds(tried: TriedSetting) -> TriedSetting:
    """Return it with the seeds as numbers, which JSON keeps as text."""
    return replace(
        tried, differences={int(seed): value for seed, value in tried.differences.items()}
    )
