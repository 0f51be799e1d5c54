"""Each command checks what it reads of a run; docs/explanation/durability.md has the table."""

from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.runs.files import CONFIG, METRICS, SUMMARY
from dropexp.runs.records import RunSummary
from tests.conftest import Dropexp
from tests.run_folders import write_finished_run

READS_CURVES = (
    ("compare", "--at", "matched"),
    ("compare", "--curves"),
    ("report", "-f", "md", "-o", "-"),
)


def measure_curves(summary: RunSummary) -> RunSummary:
    """Return the summary of a run whose curves need not be read for a table."""
    return replace(summary, rise=0.0, area=0.0)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """One of three finished runs; its files are there to be changed."""
    runs = tmp_path / "runs"
    for seed in range(2):
        words = ("regulariser=dropout2d", f"seed={seed}")
        write_finished_run(runs, 0.75, *words, change=measure_curves)
    plain = write_finished_run(runs, 0.75, "seed=0", change=measure_curves, val_losses=(0.875,))
    return plain.path


def change(path: Path, old: str, new: str) -> None:
    """Change a digit, as a bit that has flipped: the file keeps its size and is well formed."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("command", [("compare",), READS_CURVES[-1]], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "old", "new"), [(SUMMARY, "0.75", "0.15"), (CONFIG, "lr: 0.001", "lr: 0.002")]
)
def test_a_changed_result_or_config_is_used_by_no_command(
    dropexp: Dropexp, changed: Path, name: str, old: str, new: str, command: tuple[str, ...]
) -> None:
    change(changed / name, old, new)
    shown = " ".join(dropexp(*command).stdout.split())
    assert "1 run left out (damaged; dropexp runs check says how)" in shown


def test_a_changed_curve_is_used_by_no_command_that_reads_curves(
    dropexp: Dropexp, changed: Path
) -> None:
    change(changed / METRICS, "0.875", "0.125")
    assert "left out" not in dropexp("compare").stdout, "it reads no curve"
    for command in READS_CURVES:
        shown = " ".join(dropexp(*command).stdout.split())
        assert "metrics.csv is damaged: it does not agree with its checksum" in shown, command
    checked = dropexp("runs", "check")
    assert "metrics.csv does not agree with its checksum" in checked.stdout
