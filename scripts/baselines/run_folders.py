"""Write folders of finished runs as dropexp writes them, with made-up but plausible curves.

    python scripts/baselines/run_folders.py FOLDER --runs 100
    python scripts/baselines/run_folders.py FOLDER --runs 100000 --seeds 100 --study large

The true effects are known: each regulariser changes the test loss, most at its own best p, each
seed shifts all settings by the same amount, and the rest is noise.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dropexp.config.compose import compose_run
from dropexp.config.identity import RESULTS_VERSION
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import digest_setting, extract_setting
from dropexp.runs.ledger import LEDGER, Purpose, record_request
from dropexp.runs.records import (
    METRICS_COLUMNS,
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)
from dropexp.runs.studies import Study, StudyMember, save_study
from dropexp.statistics import area_between, rise_after_best

EPOCHS = 30
SEEDS = 10
EFFECTS = {  # nats of test loss at the best p, and that p
    "none": (0.0, 0.0),
    "dropout2d": (-0.16, 0.4),
    "spatial_dropout": (-0.05, 0.2),
    "dropconnect": (-0.09, 0.3),
    "dropout": (0.0, 0.3),
}
STRENGTHS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
TRAIN_SIZES = (400, 50, 100, 150, 200, 250, 300, 350, 450, 500)
LABEL_NOISES = (0.2, 0.0, 0.1, 0.3)
SPREAD_OF_SEEDS, SPREAD_OF_RUNS = 0.08, 0.03  # nats


def make_runs(
    runs_dir: Path, runs: int, seeds: int = SEEDS, study: str | None = None, unfinished: int = 0
) -> None:
    """Write finished runs of 30 epochs.

    Args:
        runs_dir: the folder of run folders; made if it does not exist.
        runs: how many runs.
        seeds: how many seeds of each setting.
        study: the study that asks for them; None outside studies.
        unfinished: how many of them, the last ones, have no folder yet.
    """
    runs_dir.mkdir(parents=True, exist_ok=True)
    strengths = STRENGTHS[::2] if runs <= 25 * seeds else STRENGTHS
    configs = list(islice(_make_configs(strengths, seeds, study), runs))
    ids = [config.run_id for config in configs]
    record_request(runs_dir, study, ids, Purpose.SWEEP)
    if study is not None:
        save_study(runs_dir, _make_study(study, configs, strengths, seeds))
    finished = configs[: len(configs) - unfinished]
    for config in finished:
        _write(runs_dir, config)
    with (runs_dir / LEDGER).open("a", encoding="utf-8") as ledger:  # each end would take a lock
        for config in finished:
            setting = digest_setting(extract_setting(config.to_mapping()))
            end = {"ended": config.run_id, "setting": setting}
            ledger.write(f"{json.dumps(end, separators=(',', ':'))}\n")


def list_overrides(strengths: Sequence[float], seeds: int) -> tuple[str, ...]:
    """Return the overrides of the sweep that asks for all the runs of a store."""
    return (
        f"regulariser={','.join(EFFECTS)}",
        f"p={','.join(map(str, strengths))}",
        f"data.train_size={','.join(map(str, TRAIN_SIZES))}",
        f"data.label_noise={','.join(map(str, LABEL_NOISES))}",
        f"seed=range({seeds})",
    )


def _make_study(
    name: str, configs: Sequence[RunConfig], strengths: Sequence[float], seeds: int
) -> Study:
    places: dict[str, int] = {}
    settings: list[dict[str, Any]] = []
    members = []
    for config in configs:
        fields = extract_setting(config.to_mapping())
        fields.pop("data.seed")  # it follows the run's seed
        place = places.setdefault(repr(fields), len(places))
        if place == len(settings):
            settings.append(fields)
        members.append(StudyMember(config.run_id, place, config.seed, EPOCHS))
    overrides = list_overrides(strengths, seeds)
    return Study(name, (overrides,), tuple(settings), tuple(members))


def _make_configs(strengths: Sequence[float], seeds: int, study: str | None) -> Iterator[RunConfig]:
    """Yield configs setting by setting; a small study has three strengths, a large one all."""
    settings = [("none", 0.0)]
    settings += [(name, p) for name in list(EFFECTS)[1:] for p in strengths]
    for label_noise, train_size, (name, p), seed in product(
        LABEL_NOISES, TRAIN_SIZES, settings, range(seeds)
    ):
        plain = _compose_defaults(name)
        regulariser = {**plain["regulariser"], "p": p}
        data = {
            **plain["data"],
            "train_size": train_size,
            "label_noise": label_noise,
            "seed": seed,
        }
        changed = {"p": p, "seed": seed, "data": data, "regulariser": regulariser, "study": study}
        yield RunConfig.from_mapping({**plain, **changed})


_PLAIN: dict[str, dict[str, Any]] = {}
_TEXTS: dict[str, str] = {}


def _compose_defaults(regulariser: str) -> dict[str, Any]:
    if regulariser not in _PLAIN:
        _PLAIN[regulariser] = compose_run([f"regulariser={regulariser}"]).to_mapping()
    return _PLAIN[regulariser]


def _format_yaml(config: RunConfig) -> str:
    """Return what to_yaml returns; sections are cached, because most of them repeat."""
    texts = []
    for key, section in config.to_mapping().items():
        known = f"{key}: {section!r}"
        if known not in _TEXTS:
            _TEXTS[known] = yaml.safe_dump({key: section}, sort_keys=False)
        texts.append(_TEXTS[known])
    return "".join(texts)


def _write(runs_dir: Path, config: RunConfig) -> None:
    # Not by RunFolder, whose writes wait for the disk: that takes too long for 10,000 runs.
    folder = runs_dir / config.run_id
    folder.mkdir(exist_ok=True)
    records, selected = _make_records(config)
    lines = [",".join(map(str, record.to_row().values())) for record in records]
    (folder / "config.yaml").write_text(_format_yaml(config), encoding="utf-8")
    (folder / "metrics.csv").write_text(
        "\n".join([",".join(METRICS_COLUMNS), *lines, ""]), encoding="utf-8"
    )
    summary = RunSummary(
        run_id=config.run_id,
        status=RunStatus.COMPLETED,
        regulariser=config.regulariser.name,
        p=config.regulariser.p,
        seed=config.seed,
        parameters=156_810,
        seconds=sum(record.seconds for record in records),
        peak_memory_mb=310.0,
        audit=AuditOutcome.PASSED,
        best=selected[0],
        last=selected[1],
        config_hash=config.config_hash,
        results_version=RESULTS_VERSION,
        rise=rise_after_best([record.val_loss for record in records]).last,
        area=area_between(
            [record.train_loss for record in records],
            [record.comparable_val_loss for record in records],
        ),
    )
    (folder / "environment.json").write_text('{"threads": 1}\n', encoding="utf-8")
    text = json.dumps(summary.to_json(), indent=2) + "\n"
    (folder / "summary.json").write_text(text, encoding="utf-8")


def _make_records(
    config: RunConfig,
) -> tuple[list[EpochRecord], tuple[SelectedEpoch, SelectedEpoch]]:
    own = np.random.default_rng(int(config.config_hash[:12], 16))
    of_the_seed = np.random.default_rng(config.seed).normal(0, SPREAD_OF_SEEDS)
    name, p, noise = config.regulariser.name, config.regulariser.p, config.data.label_noise
    effect, best_p = EFFECTS[name]
    assert config.data.train_size is not None
    effect *= 1 - ((p - best_p) / 0.5) ** 2
    level = 0.5 + effect + 0.9 * noise + 30 / config.data.train_size + of_the_seed
    level += own.normal(0, SPREAD_OF_RUNS)
    epochs = np.arange(1, EPOCHS + 1)
    speed = 4 + 6 * p
    train = 2.1 * np.exp(-epochs / speed) + 0.02 + 0.3 * p
    turn = 6 + 14 * p
    rise = 0.02 * (1 - p) * np.clip(epochs - turn, 0, None)
    val = level + 1.6 * np.exp(-epochs / speed) + rise + own.normal(0, 0.004, EPOCHS)
    seconds = 0.08 + own.gamma(2, 0.002, EPOCHS)
    records = [
        EpochRecord(
            epoch=int(epoch),
            lr=0.001,
            p=p,
            noisy_train_loss=float(train[i] * (1 + p)),
            train_loss=float(train[i]),
            train_acc=float(np.exp(-train[i])),
            val_loss=float(val[i]),
            val_acc=float(np.exp(-0.4 * val[i])),
            seconds=float(seconds[i]),
            clean_label_train_loss=float(train[i] + noise * (2 - train[i])),
            clean_label_train_acc=float(np.exp(-train[i]) * (1 - noise)),
            noisy_label_val_loss=float(val[i] + 3 * noise),
            noisy_label_val_acc=float(np.exp(-0.4 * val[i]) * (1 - noise)),
        )
        for i, epoch in enumerate(epochs)
    ]
    best = find_best_epoch(records)
    assert best is not None
    return records, (_select_epoch(best, own, noise), _select_epoch(records[-1], own, noise))


def _select_epoch(record: EpochRecord, own: np.random.Generator, noise: float) -> SelectedEpoch:
    test_loss = record.val_loss + own.normal(0, 0.01)
    return SelectedEpoch.from_record(
        record,
        test_loss=test_loss,
        test_acc=float(np.exp(-0.38 * test_loss)),
        test_ece=float(0.02 + 0.1 * record.loss_gap**2),
        noisy_label_acc=float(np.exp(-2 * record.train_loss)) if noise else None,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each setting")
    parser.add_argument("--study", help="the study that asks for them")
    parser.add_argument("--unfinished", type=int, default=0, help="of them without a folder")
    arguments = parser.parse_args()
    make_runs(
        arguments.folder,
        arguments.runs,
        arguments.seeds,
        arguments.study,
        arguments.unfinished,
    )
    sys.stdout.write(f"{arguments.runs} runs in {arguments.folder}\n")
