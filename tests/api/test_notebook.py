"""The example notebook runs from its first cell to its last, in the shell that a kernel has."""

import atexit
import json
from pathlib import Path
from typing import Any

import pytest

import dropexp

NOTEBOOK = Path(dropexp.__file__).parents[1] / "examples" / "notebook.ipynb"


def list_code(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_the_example_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    interactive = pytest.importorskip("IPython.core.interactiveshell")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / ".ipython"))
    shell = interactive.InteractiveShell()
    values: list[Any] = []
    try:
        for code in list_code(NOTEBOOK):
            done = shell.run_cell(code, store_history=False)
            done.raise_error()
            values.append(done.result)
    finally:
        shell.history_manager.end_session()
        atexit.unregister(shell.atexit_operations)
    study, comparison, table, chart, epochs, report = values
    assert (study.name, study.trained) == ("notebook", 12)
    assert "<table>" in shell.display_formatter.format(comparison)[0]["text/html"]
    assert table["n"].tolist() == [6, 6]
    assert "vega" in shell.display_formatter.format(chart)[0]["text/html"]
    assert epochs.index.tolist() == [10, 11, 12]
    assert report.read_text().startswith("<!doctype html>")
