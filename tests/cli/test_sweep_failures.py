"""What a sweep does with runs that fail or diverge, and with mistakes."""

import re
from pathlib import Path

import pytest

from tests.cli.swept_runs import ONE_AT_A_TIME, summaries
from tests.conftest import QUICK, Dropexp, assert_refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sweep", "seed=range(0)"], ["seed=range(0)", "no value"]),
        (["sweep", "device=cuda:99", "seed=1,2"], ["device=cuda:99", "cpu"]),
        (["sweep", "hydra.launcher.n_jobs=0"], ["n_jobs=0"]),
        (["extend", "mine", "--seeds", "+1", "runs_dir=x"], ["runs_dir=x"]),
        (["extend", "mine", "--seeds", "+1", "classic=weight_decay"], ["classic=weight_decay"]),
        (["extend", "nowhere", "--seeds", "+2"], ["nowhere"]),
        (["extend", "mine", "--seeds", "+0"], ["--seeds +0"]),
        (["extend", "mine", "--seeds", "+1", "p=0.4"], ["p=0.4", "another study"]),
        (["sweep", "p=0.1,1.5", "regulariser=dropout2d"], ["p=1.5", "at most 1"]),
        (["sweep", "regulariser=none,dropuot2d"], ["dropuot2d", "dropout2d"]),
        (["sweep", "train.epoch=1,2"], ["train.epoch", "train.epochs"]),
        (["sweep", "p=interval(0,1)"], ["dropexp tune"]),
        (["sweep", "study=a,b"], ["study=a,b"]),
        (["sweep", "study=a/b"], ["study=a/b", "letters, digits"]),
        (["sweep", "runs_dir=a,b"], ["runs_dir=a,b"]),
        (["sweep", "hydra/launcher=rya"], ["rya", "ray"]),
        (["sweep", "hydra.run.dir=x"], ["hydra.run.dir"]),
        (["watch"], ["no study"]),
        (["watch", "nowhere"], ["nowhere"]),
    ],
)
def test_a_mistake_gets_a_sentence_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", lambda: None)
    assert_refused(tmp_path, arguments, words)


@pytest.mark.slow
def test_one_poisoned_setting_fails_alone_and_is_not_tried_again(
    dropexp: Dropexp, tmp_path: Path
) -> None:
    """Stochastic depth has no branch to act on in an MLP."""
    words = [
        *("sweep", "regulariser=dropout,stochastic_depth,none", "seed=0,1"),
        *("model=mlp", "model.hidden=[8]", "train.epochs=1", "data.train_size=60"),
        ONE_AT_A_TIME,
    ]
    done = dropexp(*words)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "4 of 6 runs done" in done.stdout
    failures = re.findall(r"^ +(\S+)  failed: (.*)$", done.stdout, flags=re.MULTILINE)
    assert [name.split("-p")[0] for name, _ in failures] == ["stochastic_depth"] * 2
    assert all("residual branches" in reason for _, reason in failures)
    assert len(summaries(tmp_path)) == 4

    again = dropexp(*words)
    assert again.returncode == 1
    assert "0 new, 4 finished, 0 interrupted, 2 failed" in again.stdout
    assert "--retry-failed" in again.stdout
    assert "none trained" in again.stdout

    errors = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("error.txt")}
    assert len(errors) == 2
    assert dropexp(*words, "--retry-failed").returncode == 1
    assert all(path.stat().st_mtime_ns > before for path, before in errors.items())


def test_a_diverged_run_is_reported_and_exits_with_1(dropexp: Dropexp, tmp_path: Path) -> None:
    words = ("sweep", "optimiser=sgd", "optimiser.lr=0.01,1e30", *QUICK, ONE_AT_A_TIME)
    done = dropexp(*words)
    assert done.returncode == 1
    assert "diverged at epoch" in done.stdout
    assert "1 of 2 runs done" in done.stdout
    assert len(summaries(tmp_path)) == 2
    assert dropexp(*words).returncode == 1


def test_fail_fast_stops_at_the_first_failure(dropexp: Dropexp, tmp_path: Path) -> None:
    done = dropexp(
        *("sweep", "--fail-fast", "seed=range(40)", "optimiser=sgd", "optimiser.lr=1e30"),
        *(ONE_AT_A_TIME, *QUICK),
    )
    assert done.returncode == 1
    assert "as --fail-fast was given" in done.stdout
    assert 1 <= len(summaries(tmp_path)) < 40
