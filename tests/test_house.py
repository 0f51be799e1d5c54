"""The house keeps its shape, where import-linter's contract (pyproject.toml) cannot say it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dropexp"
PACKAGES = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())


def test_the_top_of_the_package_holds_sixteen_packages_and_two_modules() -> None:
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files <= {"__init__.py", "__main__.py", "errors.py", "randomness.py", "py.typed"}
    assert "py.typed" in files, "type checkers of callers ask for it"
    assert len(PACKAGES) == 16


@pytest.mark.parametrize("name", PACKAGES)
def test_tests_have_the_folders_of_the_code(name: str) -> None:
    assert list((ROOT / "tests" / name).glob("test_*.py"))


TORCH_FREE = """
import importlib, pkgutil, sys
TORCH_FREE = "statistics terminal config runs compare loggers report cli api"
for name in TORCH_FREE.split():
    package = importlib.import_module(f"dropexp.{name}")
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        if "torch" in sys.modules:
            sys.exit(module.name)
"""


def test_packages_that_open_at_once_import_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TORCH_FREE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_hydra_and_omegaconf_stop_at_config_and_sweep() -> None:
    knowing = {
        file.relative_to(PACKAGE).parts[0]
        for file in PACKAGE.rglob("*.py")
        if "import hydra" in (text := file.read_text(encoding="utf-8"))
        or "from hydra" in text
        or "omegaconf" in text
    }
    assert knowing == {"config", "sweep"}


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    long = [f.name for f in PACKAGE.rglob("*.py") if len(f.read_text().splitlines()) > 350]
    assert long == []
