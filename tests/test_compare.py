"""Finished runs become rows: grouped by all but the seed, paired with none seed by seed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare import Row, read_runs, rows
from dropexp.compose import compose_run, to_yaml
from dropexp.records import EpochRecord, RunStatus
from dropexp.store import CONFIG, SUMMARY, RunFolder
from tests.test_records import record, summary


def finished(runs: Path, test_loss: float, *overrides: str, diverged: bool = False) -> RunFolder:
    config = compose_run(list(overrides))
    folder = RunFolder(runs, config.run_id)
    folder.path.mkdir()
    folder.write(CONFIG, to_yaml(config))
    best: EpochRecord = record(1, 1.0)
    made = replace(
        summary(best, best, test_loss),
        run_id=config.run_id,
        regulariser=config.regulariser.name,
        p=config.regulariser.p,
        seed=config.seed,
        status=RunStatus.DIVERGED if diverged else RunStatus.COMPLETED,
    )
    folder.finish(made, keep_checkpoint=False)
    return folder


def compared(runs: Path) -> dict[str, Row]:
    return {row.setting: row for row in rows(read_runs(runs)[0])}


def test_differences_are_taken_seed_by_seed(tmp_path: Path) -> None:
    for seed, (none, dropout) in enumerate([(1.0, 0.9), (5.0, 4.5), (2.0, 2.3)]):
        finished(tmp_path, none, f"seed={seed}")
        finished(tmp_path, dropout, "regulariser=dropout2d", "p=0.3", f"seed={seed}")
    finished(tmp_path, 100.0, "regulariser=dropout2d", "p=0.3", "seed=9")
    table = compared(tmp_path)
    assert list(table) == ["none", "dropout2d p=0.3"]
    row = table["dropout2d p=0.3"]
    assert (row.seeds, row.pairs, row.better) == (4, 3, 2)
    assert row.difference == pytest.approx((-0.1 - 0.5 + 0.3) / 3)
    assert table["none"].difference is None


def test_a_baseline_has_everything_else_equal(tmp_path: Path) -> None:
    finished(tmp_path, 1.0)
    finished(tmp_path, 0.7, "model.shortcut=true")
    finished(tmp_path, 0.5, "regulariser=stochastic_depth")
    table = compared(tmp_path)
    row = table["stochastic_depth p=0.5 model.shortcut=True"]
    assert row.difference == pytest.approx(-0.2)


def test_an_option_of_some_regularisers_is_named_only_where_it_differs(tmp_path: Path) -> None:
    finished(tmp_path, 1.0)
    finished(tmp_path, 1.0, "regulariser=dropout2d")
    finished(tmp_path, 1.0, "regulariser=dropconnect")
    finished(tmp_path, 1.0, "regulariser=dropconnect", "regulariser.mask=batch")
    assert set(compared(tmp_path)) == {
        "none",
        "dropout2d p=0.5",
        "dropconnect p=0.5 regulariser.mask=example",
        "dropconnect p=0.5 regulariser.mask=batch",
    }


def test_a_diverged_run_is_counted_and_not_averaged(tmp_path: Path) -> None:
    finished(tmp_path, 1.0)
    finished(tmp_path, 77.0, "seed=1", diverged=True)
    row = compared(tmp_path)["none"]
    assert (row.seeds, row.diverged, row.test_loss) == (2, 1, 1.0)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    damaged = finished(tmp_path, 1.0)
    (damaged.path / SUMMARY).write_text(json.dumps({"format": 99}))
    interrupted = RunFolder(tmp_path, "interrupted-run")
    interrupted.path.mkdir()
    interrupted.write(CONFIG, "seed: 0\n")
    (tmp_path / "not-a-run").mkdir()
    (tmp_path / "notes.txt").touch()
    runs, left_out = read_runs(tmp_path)
    assert runs == []
    assert [line.split(":")[0] for line in left_out] == ["interrupted-run", damaged.path.name]
