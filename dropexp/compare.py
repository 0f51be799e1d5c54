"""Finished runs -> settings -> rows: which setting generalises better, paired seed by seed.

Imports no torch: a table opens at once.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from dropexp.config import SCIENTIFIC
from dropexp.errors import StoreError
from dropexp.records import AuditOutcome, RunStatus, RunSummary
from dropexp.store import CONFIG, FolderStatus, RunFolder

_NAMED = ("regulariser.name", "regulariser.p")


@dataclass(frozen=True)
class Run:
    """A finished run: its results, and the scientific part of its config, flat."""

    summary: RunSummary
    fields: Mapping[str, Any]  # e.g. {"model.width": 64, …}; without the seed

    @property
    def regulariser(self) -> dict[str, Any]:
        """The fields of the regulariser."""
        return {k: v for k, v in self.fields.items() if k.startswith("regulariser.")}

    @property
    def surroundings(self) -> frozenset[tuple[str, str]]:
        """All fields but the regulariser's: what two settings must share to be compared."""
        return frozenset(
            (key, repr(value))
            for key, value in self.fields.items()
            if not key.startswith("regulariser.")
        )


@dataclass(frozen=True)
class Row:
    """One setting's means over its seeds, at each run's best epoch.

    ``difference`` is the mean over common seeds of the test loss minus that of ``none`` with
    everything else equal: below 0 is better. None where there is no such run.
    """

    setting: str
    seeds: int
    diverged: int
    unproven: int  # runs whose audit did not pass or was off
    test_loss: float
    test_acc: float
    loss_gap: float
    acc_gap: float
    difference: float | None
    pairs: int
    better: int  # of the pairs


def read_runs(runs_dir: Path) -> tuple[list[Run], list[str]]:
    """The finished runs of a folder, and a sentence for each run folder that is left out."""
    runs, left_out = [], []
    for path in sorted(runs_dir.iterdir()) if runs_dir.is_dir() else []:
        folder = RunFolder(runs_dir, path.name)
        if not path.is_dir() or folder.status is FolderStatus.NEW:
            continue
        if folder.status is not FolderStatus.FINISHED:
            left_out.append(f"{path.name}: {folder.status}")
            continue
        try:
            runs.append(_read(folder))
        except (StoreError, OSError, yaml.YAMLError, KeyError) as error:
            left_out.append(f"{path.name}: cannot be read ({error})")
    return runs, left_out


def rows(runs: Sequence[Run]) -> list[Row]:
    """One row a setting (all fields but the seed), baselines first, then by name."""
    runs = _without_data_seeds_that_follow(runs)
    settings: dict[str, list[Run]] = {}
    for run, name in zip(runs, _names(runs), strict=True):
        settings.setdefault(name, []).append(run)
    baselines = {
        (run.surroundings, run.summary.seed): run
        for run in runs
        if run.fields["regulariser.name"] == "none"
    }
    ordered = sorted(settings, key=lambda name: (not name.startswith("none"), name))
    return [_row(name, settings[name], baselines) for name in ordered]


def _without_data_seeds_that_follow(runs: Sequence[Run]) -> list[Run]:
    """Drop data.seed where it is the seed's in all runs of the same other fields.

    Where it was held, the run whose seed happens to be the same belongs to the held ones.
    """
    held = {_other_fields(run) for run in runs if run.fields["data.seed"] != run.summary.seed}
    return [
        run
        if _other_fields(run) in held
        else Run(run.summary, {k: v for k, v in run.fields.items() if k != "data.seed"})
        for run in runs
    ]


def _other_fields(run: Run) -> frozenset[tuple[str, str]]:
    return frozenset((key, repr(v)) for key, v in run.fields.items() if key != "data.seed")


def _row(
    name: str,
    runs: Sequence[Run],
    baselines: Mapping[tuple[frozenset[tuple[str, str]], int], Run],
) -> Row:
    sound = [run for run in runs if run.summary.status is RunStatus.COMPLETED]
    best = [run.summary.best for run in sound if run.summary.best is not None]
    differences = []
    for run in sound:
        baseline = baselines.get((run.surroundings, run.summary.seed))
        is_another = baseline is not None and baseline is not run
        if is_another and baseline is not None and baseline.summary.best and run.summary.best:
            differences.append(run.summary.best.test_loss - baseline.summary.best.test_loss)
    return Row(
        setting=name,
        seeds=len(runs),
        diverged=len(runs) - len(sound),
        unproven=sum(run.summary.audit is not AuditOutcome.PASSED for run in runs),
        test_loss=_mean(epoch.test_loss for epoch in best),
        test_acc=_mean(epoch.test_acc for epoch in best),
        loss_gap=_mean(epoch.loss_gap for epoch in best),
        acc_gap=_mean(epoch.acc_gap for epoch in best),
        difference=mean(differences) if differences else None,
        pairs=len(differences),
        better=sum(difference < 0 for difference in differences),
    )


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return mean(found) if found else float("nan")


def _names(runs: Sequence[Run]) -> list[str]:
    """Each run's setting: the regulariser, p, and every field that the runs differ in."""
    values: dict[str, set[str]] = {}
    for run in runs:
        for key, value in run.fields.items():
            values.setdefault(key, set()).add(repr(value))
    # An option that only some regularisers have makes no difference among the others.
    present = {key: sum(key in run.fields for run in runs) for key in values}
    shared = [
        key
        for key, found in values.items()
        if key not in _NAMED
        and (len(found) > 1 or (present[key] < len(runs) and not key.startswith("regulariser.")))
    ]
    return [_name(run, shared) for run in runs]


def _name(run: Run, shown: Sequence[str]) -> str:
    regulariser, p = run.fields["regulariser.name"], run.fields["regulariser.p"]
    words = [regulariser if regulariser == "none" else f"{regulariser} p={p:g}"]
    words += [f"{key}={run.fields[key]}" for key in shown if key in run.fields]
    return " ".join(words)


def _read(folder: RunFolder) -> Run:
    summary = folder.read_summary()
    text = (folder.path / CONFIG).read_text(encoding="utf-8")
    config = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    fields = {
        flat: value
        for key in SCIENTIFIC
        if key != "seed"
        for flat, value in _flat(config[key], key).items()
    }
    fields.pop("data.root", None)
    fields.pop("data.download", None)
    return Run(summary, fields)


def _flat(node: Any, prefix: str) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {prefix: node}
    return {
        flat: value
        for key, item in node.items()
        for flat, value in _flat(item, f"{prefix}.{key}").items()
    }
