"""The house keeps its shape: imports go down, the map in the README is the folder on disk."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "dropexp"

FLOORS: tuple[frozenset[str], ...] = (
    frozenset(
        {
            "errors",
            "randomness",
            "records",
            "classics",
            "conf_files",
            "config",
            "config_messages",
            "config_sections",
            "config_regularisers",
            "torchvision_compat",
            "settings",
            "strength",
            "config_text",
            "custom_source",
            "metrics",
        }
    ),
    frozenset({"statistics", "comparison", "data", "models", "regularisers", "adapter", "optim"}),
    frozenset(
        {
            "evaluation",
            "trainer",
            "checkpoint",
            "audit",
            "audit_report",
            "stored_run",
            "store",
            "studies",
            "environment",
        }
    ),
    frozenset(
        {
            "compose",
            "compose_combination",
            "runs",
            "sweep",
            "tensorboard",
            "tensorboard_values",
            "tables",
            "recorder",
            "assembly",
            "mc_dropout",
            "run",
            "chart",
            "columns",
            "compare",
            "mean_curves",
            "charts",
            "report",
            "board",
        }
    ),
    frozenset(
        {
            "console",
            "sweep_console",
            "cli",
            "cli_audit",
            "cli_compare",
            "cli_report",
            "cli_runs",
            "cli_sweep",
            "__init__",  # what it offers is imported on first use
            "__main__",
        }
    ),
)
TORCH_FREE = (
    "audit_report",
    "classics",
    "settings",
    "strength",
    "errors",
    "records",
    "config",
    "conf_files",
    "store",
    "stored_run",
    "studies",
    "compose",
    "compose_combination",
    "config_regularisers",
    "sweep_console",
    "cli_sweep",
    "chart",
    "console",
    "cli",
    "cli_runs",
    "cli_audit",
    "cli_compare",
    "cli_report",
    "mean_curves",
    "charts",
    "report",
    "compare",
    "columns",
    "metrics",
    "config_text",
    "custom_source",
    *(f"runs/{name}" for name in ("listing", "selection", "removal", "tables", "details")),
    *(f"sweep/{name}" for name in ("grammar", "plan", "extend", "worker", "progress", "estimate")),
    "statistics",
    "comparison",
)


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_used_by(file: Path) -> set[str]:
    rooms = {name for floor in FLOORS for name in floor}
    parts = [module.split(".") for module in imported_modules(file)]
    return {part[1] for part in parts if part[0] == "dropexp" and len(part) > 1} & rooms


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def floor_of(name: str) -> int:
    return next(number for number, floor in enumerate(FLOORS) if name in floor)


def test_every_room_has_a_floor() -> None:
    assert {room(file) for file in files()} == {name for floor in FLOORS for name in floor}


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_never_go_up(file: Path) -> None:
    floor = floor_of(room(file))
    assert [used for used in rooms_used_by(file) if floor_of(used) > floor] == []


def test_imports_have_no_circle() -> None:
    uses: dict[str, set[str]] = {}
    for file in files():
        uses.setdefault(room(file), set()).update(rooms_used_by(file) - {room(file)})
    while uses:
        free = {name for name, used in uses.items() if not used & uses.keys()}
        assert free, f"a circle among {sorted(uses)}"
        uses = {name: used for name, used in uses.items() if name not in free}


@pytest.mark.parametrize("name", TORCH_FREE)
def test_rooms_that_must_open_at_once_do_not_import_torch(name: str) -> None:
    path = PACKAGE / name
    inside = list(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    assert inside
    modules = {module for file in inside for module in imported_modules(file)}
    assert not [module for module in modules if module.split(".")[0] == "torch"]


def test_hydra_and_omegaconf_stop_at_three_rooms() -> None:
    knowing = {
        file.relative_to(PACKAGE).as_posix()
        for file in files()
        if {"hydra", "omegaconf"} & {module.split(".")[0] for module in imported_modules(file)}
    }
    assert knowing == {
        "compose.py",
        "compose_combination.py",
        "sweep/grammar.py",
        "sweep/launchers.py",
    }


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    assert [file.name for file in files() if len(file.read_text().splitlines()) > 450] == []


def test_the_map_in_the_readme_is_the_disk() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## Folder map\n.*?```\n(.*?)```", readme, flags=re.DOTALL)
    assert block is not None
    on_the_map = set(re.findall(r"^ *(\S+?)/? {2,}", block[1], flags=re.MULTILINE))
    on_disk = {room(file) + ("" if file.parent != PACKAGE else ".py") for file in files()}
    assert on_disk - {"__init__.py", "__main__.py"} <= on_the_map
    missing = {
        name
        for name in on_the_map
        if not (ROOT / name).exists()
        and not (PACKAGE / name).exists()
        and not (ROOT / "scripts" / name).exists()
        and not (ROOT / "conf" / name).exists()
    }
    assert missing == set()
