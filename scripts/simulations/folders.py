"""A folder of finished runs of one planned study, whose results can be written again and again."""

import json
from functools import cache
from pathlib import Path

import yaml

from dropexp.config.compose import compose_run
from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.run_config import RunConfig
from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.ledger import LEDGER
from dropexp.runs.records import (
    METRICS_COLUMNS,
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
)
from simulations.laws import Array
from simulations.runs import LEVEL

STUDY = "null"


class StudyFolder:
    """The run folders of ``none`` and of dropout2d at several p.

    Writing the configs takes most of the time, so they stay, and only the results change.

    Args:
        runs_dir: the folder of run folders.
        rows: how many p.
        seeds: of each setting.
    """

    def __init__(self, runs_dir: Path, rows: int, seeds: int) -> None:
        self._runs_dir = runs_dir
        self.strengths = [round(0.9 * (row + 1) / (rows + 1), 3) for row in range(rows)]
        settings = [("none", 0.0), *(("dropout2d", p) for p in self.strengths)]
        self._configs = [[_make_config(*each, seed) for seed in range(seeds)] for each in settings]
        runs_dir.mkdir(parents=True, exist_ok=True)
        self._write_ledger()
        for of_setting in self._configs:
            for config in of_setting:
                folder = runs_dir / config.run_id
                folder.mkdir()
                (folder / CONFIG).write_text(_format_yaml(config), encoding="utf-8")
                epoch = ",".join(map(str, _make_record(1.0).to_row().values()))
                text = "\n".join([",".join(METRICS_COLUMNS), epoch, ""])
                (folder / METRICS).write_text(text, encoding="utf-8")

    def _write_ledger(self) -> None:
        """Record that all runs were asked for before the first of them ended."""
        ids = [config.run_id for of_setting in self._configs for config in of_setting]
        entries = [{"asked": {"study": STUDY, "purpose": "sweep", "runs": ids}}]
        lines = [json.dumps(entry) for entry in (*entries, *({"ended": each} for each in ids))]
        (self._runs_dir / LEDGER).write_text("\n".join([*lines, ""]), encoding="utf-8")

    def write_results(self, test: Array, validation: Array) -> None:
        """Write the results of all runs.

        Args:
            test: test losses above LEVEL, shape (1 + rows, seeds).
            validation: validation losses, likewise.
        """
        for of_setting, tests, vals in zip(self._configs, test, validation, strict=True):
            for config, loss, val in zip(of_setting, tests, vals, strict=True):
                summary = _make_summary(config, LEVEL + float(loss), LEVEL + float(val))
                text = json.dumps(summary.to_json())
                path = self._runs_dir / config.run_id / SUMMARY
                path.write_text(text, encoding="utf-8")


@cache
def _compose_defaults(regulariser: str) -> RunConfig:
    return compose_run([f"regulariser={regulariser}", f"study={STUDY}"])


def _make_config(regulariser: str, p: float, seed: int) -> RunConfig:
    defaults = _compose_defaults(regulariser).to_mapping()
    own = {"regulariser": {**defaults["regulariser"], "p": p}, "p": p, "seed": seed}
    own["data"] = {**defaults["data"], "seed": seed}
    return RunConfig.from_mapping({**defaults, **own})


def _format_yaml(config: RunConfig) -> str:
    return yaml.dump(config.to_mapping(), Dumper=_Dumper, sort_keys=False)


_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def _make_record(val_loss: float) -> EpochRecord:
    return EpochRecord(1, 1e-3, 0.5, 0.5, 0.5, 0.9, val_loss, 0.8, 0.1, 0.5, 0.9, val_loss, 0.8)


def _make_summary(config: RunConfig, test_loss: float, val_loss: float) -> RunSummary:
    at = SelectedEpoch.from_record(_make_record(val_loss), test_loss, 0.8)
    return RunSummary(
        run_id=config.run_id,
        status=RunStatus.COMPLETED,
        regulariser=config.regulariser.name,
        p=config.regulariser.p,
        seed=config.seed,
        parameters=10,
        seconds=1.0,
        peak_memory_mb=100.0,
        audit=AuditOutcome.PASSED,
        best=at,
        last=at,
        config_hash=config.config_hash,
        results_version=RESULTS_VERSION,
        rise=0.0,
        area=0.0,
    )
