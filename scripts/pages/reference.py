"""The pages, and parts of pages, that are written from the code."""

from collections.abc import Callable
from pathlib import Path

from pages import commands, configuration, metrics, package_map
from pages.blocks import ROOT, replace_region

DOCS = ROOT / "docs"
_REGIONS: dict[Path, dict[str, Callable[[], str]]] = {
    DOCS / "architecture.md": {"map": package_map.write_map},
    DOCS / metrics.PAGE: {"metrics": metrics.write_metrics, "columns": metrics.write_columns},
}


def find_stale() -> dict[Path, str]:
    """Return the pages that are out of date, each with the text that it should have."""
    current = {
        DOCS / commands.PAGE: commands.write_page(),
        DOCS / configuration.PAGE: configuration.write_page(),
    }
    for page, regions in _REGIONS.items():
        text = page.read_text(encoding="utf-8")
        for name, write_region in regions.items():
            text = replace_region(text, name, write_region())
        current[page] = text
    return {
        page: text
        for page, text in current.items()
        if not page.is_file() or page.read_text(encoding="utf-8") != text
    }


def write(pages: dict[Path, str]) -> None:
    """Write pages with their texts, and print which."""
    for page, text in pages.items():
        page.write_text(text, encoding="utf-8")
        print(f"written: {page.relative_to(ROOT)}")
