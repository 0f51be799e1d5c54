import pytest

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
