"""The package's types reach those who import it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
CALLER = """
from torch import nn

import dropexp
from dropexp.statistics import paired_difference

model = nn.Linear(2, 2)
reveal_type(dropexp.regularise(model, "dropout", p=0.3))
reveal_type(paired_difference([0.1, 0.2], [0.3, 0.5]).low)
dropexp.regularise(model, "dropout", p="a lot")
"""


def test_a_strict_type_checker_sees_the_types_from_outside(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    # The checkout's own cache and options: torch's types are read once.
    options = ["--config-file", f"{ROOT}/pyproject.toml", "--cache-dir", f"{ROOT}/.mypy_cache"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "caller.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    revealed = [
        line.partition("Revealed type is ")[2].strip('"')
        for line in done.stdout.splitlines()
        if "Revealed" in line
    ]
    assert revealed == ["int", "float"], done.stdout
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert len(errors) == 1, done.stdout
    assert "[arg-type]" in errors[0]
