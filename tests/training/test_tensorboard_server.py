"""A real TensorBoard shows what the runs have written."""

import math
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from dropexp.config.compose import compose_run
from dropexp.config.run_config import RunConfig
from dropexp.runs.event_files import SCALAR_TAGS
from dropexp.runs.hparams import list_hyperparameters
from dropexp.runs.records import (
    EpochRecord,
    RunStatus,
    RunSummary,
)
from dropexp.training.tensorboard import EventLog
from tests.tensorboard_server import SESSION_QUERY, fetch_json, tensorboard_server, wait_for_runs
from tests.training.event_logs import make_record, make_summary

STUDY = {
    "none": ["regulariser=none", "data.train_size=null"],
    "dropout2d": ["regulariser=dropout2d", "p=0.3"],
    "dropconnect": ["regulariser=dropconnect", "p=0.1", "seed=3"],
    "stochastic_depth": ["regulariser=stochastic_depth", "p=0.5", "model=resnet"],
}


def write_study(root: Path) -> dict[str, tuple[RunConfig, list[EpochRecord], RunSummary]]:
    """Write event files of four runs of different regularisers; the last run diverged."""
    study = {}
    for index, (name, overrides) in enumerate(STUDY.items()):
        config = compose_run(overrides)
        records = [
            make_record(epoch, 0.5 + index / 8, config.regulariser.p) for epoch in range(1, 7)
        ]
        if name == "stochastic_depth":
            records.append(make_record(7, val_loss=math.nan))
        summary = make_summary(config, records)
        folder = root / config.run_id
        folder.mkdir()
        log = EventLog(folder, config)
        log.write_images(torch.randint(0, 17, (64, 1, 8, 8), dtype=torch.uint8))
        for record in records:
            log.write_epoch(record)
            log.write_weights(torch.nn.Linear(20, 10), record.epoch)
        log.finish(summary)
        study[config.run_id] = (config, records, summary)
    return study


@pytest.mark.slow(reason="starts TensorBoard")
def test_a_real_server_shows_every_value_of_every_run(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    study = write_study(root)
    with tensorboard_server(root, tmp_path / "server.log") as server:
        tags = wait_for_runs(server, len(study))
        assert set(tags) == set(study)
        shown = {
            (run, tag): fetch_json(f"{server}/data/plugin/scalars/scalars?run={run}&tag={tag}")
            for run in study
            for tag in ("loss/val", "loss/gap", "p")
        }
        experiment = fetch_json(f"{server}/data/plugin/hparams/experiment", {"experimentName": ""})
        groups = fetch_json(f"{server}/data/plugin/hparams/session_groups", SESSION_QUERY)
        images = fetch_json(f"{server}/data/plugin/images/tags")
        histograms = fetch_json(f"{server}/data/plugin/histograms/tags")

    for (run, tag), points in shown.items():
        records = study[run][1]
        assert [step for _, step, _ in points] == [record.epoch for record in records]
        expected = [getattr(record, SCALAR_TAGS[tag]) for record in records]
        values = [float(value) for _, _, value in points]  # TensorBoard sends "NaN"
        assert values == pytest.approx(expected, rel=1e-6, nan_ok=True)

    keys = {name for config, *_ in study.values() for name in list_hyperparameters(config)}
    assert {info["name"] for info in experiment["hparamInfos"]} == keys
    types = {info["name"]: info["type"] for info in experiment["hparamInfos"]}
    assert types["setup.data.train_size"] == "DATA_TYPE_STRING"
    assert types["p"] == "DATA_TYPE_FLOAT64"

    assert {group["name"] for group in groups["sessionGroups"]} == set(study)
    for group in groups["sessionGroups"]:
        config, _, summary = study[group["name"]]
        assert group["hparams"] == list_hyperparameters(config)
        (session,) = group["sessions"]
        completed = summary.status is RunStatus.COMPLETED
        assert session["status"] == ("STATUS_SUCCESS" if completed else "STATUS_FAILURE")
        metrics = {m["name"]["tag"]: float(m["value"]) for m in group["metricValues"]}
        for block, selected in (("best", summary.best), ("last", summary.last)):
            assert selected is not None
            for name, value in asdict(selected).items():
                if value is None:
                    assert f"{block}/{name}" not in metrics
                    continue
                shown_value = metrics[f"{block}/{name}"]
                assert shown_value == pytest.approx(value, rel=1e-6, nan_ok=True)
        assert set(SCALAR_TAGS) < set(metrics)

    assert all("images/train" in images[run] for run in study)
    assert all("weights/weight" in histograms[run] for run in study)
