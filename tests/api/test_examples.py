"""The examples run, and a second run of one trains nothing again."""

import runpy
from pathlib import Path

import pytest
import torch

import dropexp
from dropexp.data.torchvision_import import import_torchvision
from dropexp.errors import AuditError
from dropexp.runs.listing import list_runs

EXAMPLES = Path(dropexp.__file__).parents[1] / "examples"


def test_a_hand_written_loop_is_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    main = runpy.run_path(str(EXAMPLES / "own_loop.py"))["main"]
    main("runs")
    printed = capsys.readouterr().out
    assert "dropout2d p=0.5" in printed
    assert "no audit" not in printed
    assert len(list_runs(tmp_path / "runs")) == 12
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_: pytest.fail("trained again"))
    main("runs")
    assert capsys.readouterr().out == printed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of frameworks are not ours
@pytest.mark.parametrize(
    ("name", "needs", "runs"), [("lightning_loop", "lightning", 6), ("timm_loop", "timm", 4)]
)
def test_loops_of_frameworks_are_recorded_watched_and_audited(
    name: str,
    needs: str,
    runs: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import_torchvision()  # beside a CPU-only torch neither of them could
    pytest.importorskip(needs)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(EXAMPLES)
    runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]("runs")
    found = list_runs(tmp_path / "runs")
    assert [run.is_proven for run in found] == [True] * runs
    assert "no audit" not in capsys.readouterr().out


def test_a_hand_written_loop_without_eval_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = (EXAMPLES / "own_loop.py").read_text()
    assert source.count("    network.eval()\n") == 1
    Path("forgetful.py").write_text(source.replace("    network.eval()\n", ""))
    train = runpy.run_path("forgetful.py")["train"]
    with pytest.raises(AuditError, match="evaluation_in_training_mode"):
        train("dropout2d", 0.5, 0, "runs")
