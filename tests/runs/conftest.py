import shutil
from pathlib import Path

import pytest

from dropexp.runs import index as index_module
from dropexp.runs.files import SUMMARY
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.listing import list_runs
from tests.run_folders import mark_diverged, write_finished_run, write_unfinished_run


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> list[ListedRun]:
    """Four finished runs, one that diverged, one that was interrupted."""
    runs = tmp_path_factory.mktemp("runs")
    write_finished_run(runs, 0.9, "study=first")
    write_finished_run(runs, 0.7, "regulariser=dropout2d", "p=0.1", "data.train_size=200")
    write_finished_run(runs, 0.5, "regulariser=dropout2d", "p=0.3", "seed=1", "study='400'")
    write_finished_run(
        runs, 0.6, "regulariser=dropconnect", "p=0.3", "regulariser.mask=batch", "model=mlp"
    )
    write_finished_run(runs, 0.8, "optimiser=sgd", change=mark_diverged)
    write_unfinished_run(runs, "regulariser=dropout2d", "p=0.5", "train/early_stopping=patience")
    return list_runs(runs)


@pytest.fixture
def index_small_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write an index for any new run, and as soon as it is written."""
    monkeypatch.setattr(index_module, "_FEWEST_NEW", 1)
    monkeypatch.setattr(index_module, "SETTLED_AFTER", -60.0)


@pytest.fixture(scope="session")
def indexed_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
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
def indexed_runs(indexed_template: Path, tmp_path: Path) -> Path:
    """A copy of the template."""
    return Path(shutil.copytree(indexed_template, tmp_path / "runs"))
