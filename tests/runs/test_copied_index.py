"""An index that is copied with its folder of runs says nothing of the copy that is not so."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dropexp.runs import index as index_module
from dropexp.runs.files import SUMMARY
from dropexp.runs.index import INDEX, RunIndex
from tests.conftest import Dropexp
from tests.run_folders import write_finished_run

COPIES = (["cp", "-a"], ["rsync", "-a", "--inplace"])


@pytest.mark.parametrize("copy", COPIES, ids=["cp -a", "rsync -a"])
def test_an_index_that_was_copied_with_its_runs_is_not_believed(
    dropexp: Dropexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copy: list[str]
) -> None:
    if shutil.which(copy[0]) is None:
        pytest.skip(f"no {copy[0]} here")
    monkeypatch.setattr(index_module, "_FEWEST_NEW", 1)
    monkeypatch.setattr(index_module, "SETTLED_AFTER", -60.0)
    names = [write_finished_run(tmp_path / "runs", 0.7, f"seed={n}").run_id for n in range(3)]
    listed = dropexp("runs", "list", "--format", "csv").stdout
    assert [*RunIndex(tmp_path / "runs").check({names[0]})]

    (tmp_path / "copy").mkdir()
    subprocess.run([*copy, f"{tmp_path}/runs/.", f"{tmp_path}/copy/"], check=True)
    assert (tmp_path / "copy" / INDEX).read_bytes() == (tmp_path / "runs" / INDEX).read_bytes()
    copied = RunIndex(tmp_path / "copy")
    assert len(copied) == 3
    assert [*copied.check(set(names))] == []
    again = dropexp("runs", "list", "--format", "csv", "--runs-dir", "copy").stdout
    assert again.replace(",copy/", ",runs/") == listed

    # The copy is changed, and a second copy brings the old index back, newer than any run.
    summary = tmp_path / "copy" / names[0] / SUMMARY
    before, text = summary.stat(), summary.read_text()
    summary.write_text(text.replace("0.7", "0.2"))
    os.utime(summary, ns=(before.st_atime_ns, before.st_mtime_ns))
    shutil.copy2(tmp_path / "runs" / INDEX, tmp_path / "copy" / INDEX)
    shown = dropexp("runs", "--runs-dir", "copy", "status=damaged")
    assert names[0] in shown.stdout, "its values do not agree with their checksum"
