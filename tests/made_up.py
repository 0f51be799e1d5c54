"""Builds comparisons of runs that were never trained, with curves as overfitting has them."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from dropexp.compare import FoundRun, FoundRuns, Question, compare
from dropexp.compare.compared_runs import ComparedRun, Curves
from dropexp.compare.results import Comparison
from dropexp.config.identity import RESULTS_VERSION
from dropexp.runs.ledger import Purpose, Request
from dropexp.runs.listed_run import ListedRun, ListedStatus
from dropexp.runs.metric_types import Metric
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.runs.question_types import TestChoice
from dropexp.runs.records import (
    METRICS_COLUMNS,
    AuditOutcome,
    EpochRecord,
    RunStatus,
    RunSummary,
    SelectedEpoch,
    find_best_epoch,
)
from dropexp.statistics import area_between, rise_after_best

AROUND = {
    "data.name": "digits",
    "data.train_size": 400,
    "data.label_noise": 0.2,
    "data.seed": 0,
    "model.name": "small_cnn",
}
PLANNED = Request(0, "made-up", Purpose.SWEEP)
"""Every made-up run is asked for in one request, before the first of them ends."""

STRENGTH = {"none": 0.0, "dropout2d": 1.0, "spatial_dropout": 0.5, "dropconnect": 0.35}
"""How much of the overfitting a regulariser removes at its best p."""


def make_records(
    regulariser: str, p: float, seed: int, epochs: int, **data: Any
) -> list[EpochRecord]:
    """Return epochs whose validation loss falls and rises again, less with a regulariser."""
    chance = np.random.default_rng([seed, len(regulariser), int(p * 100)])
    luck = np.random.default_rng(seed).normal(0, 0.03)  # a seed is a block
    effect = STRENGTH.get(regulariser, 0.2) * math.sin(math.pi * p)
    noise = float(data.get("data.label_noise", 0.2))
    size = float(data.get("data.train_size", 400))
    rise = (0.02 + 0.1 * noise) * (1 - effect) * math.sqrt(400 / size)
    records = []
    for epoch in range(1, epochs + 1):
        train = (2.2 - noise) * math.exp(-epoch / (6 + 4 * effect)) + 0.3 * effect + 0.02
        val = 0.5 + luck + 1.8 * math.exp(-epoch / 5) + rise * epoch - 0.15 * effect
        val += chance.normal(0, 0.01)
        memorised = noise * (1 - train / 2.5)  # the share of wrong labels that it has learned
        records.append(
            EpochRecord(
                epoch=epoch,
                lr=0.001,
                p=p,
                noisy_train_loss=train * 1.2,
                train_loss=train,
                train_acc=math.exp(-train / 2),
                val_loss=val,
                val_acc=math.exp(-val / 3),
                seconds=0.1 * (1 + 0.05 * effect),
                clean_label_train_loss=train + 2 * memorised,
                clean_label_train_acc=math.exp(-train / 2) * (1 - memorised),
                noisy_label_val_loss=val + 3 * noise,
                noisy_label_val_acc=math.exp(-val / 3) * (1 - noise),
            )
        )
    return records


def make_run(
    fields: Mapping[str, Any], seed: int, epochs: int, *, diverged: bool = False
) -> FoundRun:
    """Return a finished run of a setting, as find_runs returns it."""
    regulariser, p = str(fields["regulariser.name"]), float(fields["regulariser.p"])
    done = make_records(regulariser, p, seed, epochs, **fields)
    best = find_best_epoch(done)
    assert best is not None
    digits = crc32(repr(sorted(fields.items())).encode())
    run_id = f"{regulariser}-p{p:g}-s{seed}-{digits:08x}"
    noisy = 0.6 - best.loss_gap / 10 if fields["data.label_noise"] else None
    summary = RunSummary(
        run_id=run_id,
        status=RunStatus.DIVERGED if diverged else RunStatus.COMPLETED,
        regulariser=regulariser,
        p=p,
        seed=seed,
        parameters=75_000,
        seconds=sum(record.seconds for record in done),
        peak_memory_mb=300.0,
        audit=AuditOutcome.PASSED,
        best=SelectedEpoch.from_record(
            best, best.val_loss + 0.01, best.val_acc - 0.01, 0.05, noisy
        ),
        last=SelectedEpoch.from_record(done[-1], done[-1].val_loss, done[-1].val_acc, 0.05, noisy),
        config_hash="0" * 64,
        results_version=RESULTS_VERSION,
    )
    table = np.array([[row.to_row()[name] for name in METRICS_COLUMNS] for row in done])
    curves = Curves(table)
    rise = rise_after_best(curves["val_loss"]).last
    area = area_between(curves["train_loss"], curves["noisy_label_val_loss"])
    compared = ComparedRun(run_id, seed, summary, curves, rise, area)
    listed = ListedRun(
        Path("runs"), run_id, ListedStatus.FINISHED, 0.0, {**fields, "seed": seed}, summary
    )
    return FoundRun(listed, compared, fields, PLANNED, ended=1)


def make_comparison(
    regularisers: Sequence[str] = ("none", "dropout2d", "spatial_dropout"),
    strengths: Sequence[float] = (0.3,),
    *,
    seeds: int = 6,
    epochs: int = 30,
    metric: Metric = METRIC_REGISTRY["test_loss"],
    baseline: str | None = None,
    diverged: Sequence[tuple[str, int]] = (),
    test: TestChoice = TestChoice.AUTO,
    margin: float | None = None,
    **axes: Sequence[Any],
) -> Comparison:
    """Return the comparison of all combinations.

    ``data_train_size=(50, 400)`` makes an axis of that field. An option such as
    ``regulariser_mask`` is set for all regularisers but ``none``.
    """
    fields = {key.replace("_", ".", 1): values for key, values in axes.items()}
    settings: dict[str, dict[str, Any]] = {}
    for values in product(*fields.values()):
        around = {**AROUND, **dict(zip(fields, values, strict=True))}
        for regulariser in regularisers:
            of_data = {k: v for k, v in around.items() if not k.startswith("regulariser.")}
            of_setting = of_data if regulariser == "none" else around
            for p in (0.0,) if regulariser == "none" else strengths:
                made = {**of_setting, "regulariser.name": regulariser, "regulariser.p": p}
                settings.setdefault(repr(made), made)
    runs = [
        make_run(made, seed, epochs, diverged=(made["regulariser.name"], seed) in diverged)
        for made in settings.values()
        for seed in range(seeds)
    ]
    return compare(
        FoundRuns.of(runs), Question(metric, baseline=baseline, test=test, margin=margin)
    )


STUDIES: dict[str, Callable[[], Comparison]] = {
    "settings": lambda: make_comparison(("none", "dropout2d", "dropconnect")),
    "strengths": lambda: make_comparison(strengths=(0.1, 0.3, 0.5, 0.7)),
    "sizes": lambda: make_comparison(data_train_size=(50, 100, 400)),
    "noises": lambda: make_comparison(data_label_noise=(0.0, 0.2, 0.4)),
    "accuracy": lambda: make_comparison(strengths=(0.1, 0.5), metric=METRIC_REGISTRY["test_acc"]),
    "one seed": lambda: make_comparison(seeds=1),
    "one epoch": lambda: make_comparison(epochs=1),
    "no baseline": lambda: make_comparison(("dropout2d", "dropconnect")),
    "anytime": lambda: make_comparison(test=TestChoice.ANYTIME),
    "no interval": lambda: make_comparison(seeds=3, test=TestChoice.ANYTIME),
    "margin": lambda: make_comparison(margin=0.05),
    "diverged": lambda: make_comparison(diverged=[("dropout2d", 0), ("dropout2d", 1)]),
}
"""One comparison of every kind that charts and pages must show."""
