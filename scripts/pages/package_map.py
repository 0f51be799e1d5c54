"""The map in docs/architecture.md: every package and module with its docstring's first line."""

import ast
from collections.abc import Iterator
from pathlib import Path

from pages.blocks import ROOT, escape_tags

PACKAGE = ROOT / "dropexp"


def write_map(package: Path = PACKAGE) -> str:
    """Return the tables of packages and modules, a heading for each package at the top."""
    blocks = ["| module | what |\n|---|---|"]
    blocks += [_row(file, package) for file in sorted(package.glob("*.py"))]
    for folder in sorted(path for path in package.iterdir() if (path / "__init__.py").is_file()):
        blocks.append(f"\n### {folder.name}\n\n{_docstring(folder / '__init__.py')}\n")
        blocks.append("| module | what |\n|---|---|")
        blocks += [_row(file, folder) for file in _modules(folder)]
    return "\n".join(blocks)


def _modules(folder: Path) -> Iterator[Path]:
    """Yield the modules of a package, then those of the packages in it."""
    yield from sorted(file for file in folder.glob("*.py") if file.name != "__init__.py")
    for inner in sorted(path for path in folder.iterdir() if (path / "__init__.py").is_file()):
        yield inner / "__init__.py"
        yield from _modules(inner)


def _row(file: Path, above: Path) -> str:
    name = file.relative_to(above).as_posix()
    if file.name == "__init__.py" and file.parent != above:
        name = f"{file.parent.name}/"
    first = _docstring(file).partition("\n\n")[0]
    return f"| `{name}` | {' '.join(first.split())} |".replace(" | |", " |")


def _docstring(file: Path) -> str:
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return escape_tags(text.replace("|", "\\|").replace("``", "`"))
