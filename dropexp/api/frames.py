"""Columns of plain values as a data frame of pandas or of Polars."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from dropexp.errors import UserError, suggest

FRAMES = ("pandas", "polars")
"""The libraries that can make a frame."""


def make_frame(columns: Mapping[str, Sequence[Any]], frame: str) -> Any:
    """Return columns of equal length as a data frame.

    Args:
        columns: name → values; None for a missing value.
        frame: one of FRAMES.

    Raises:
        UserError: the library is unknown, or not installed.
    """
    library = _import_library(frame)
    if frame == "polars":
        # A column may hold a list in one row and a number in another, as options of models do.
        return library.DataFrame(
            {name: _make_series(library, name, values) for name, values in columns.items()}
        )
    return library.DataFrame(dict(columns))


def refuse_unavailable(frame: str) -> None:
    """Raise UserError if a library is unknown or not installed, before runs are read."""
    _import_library(frame)


def _import_library(frame: str) -> Any:
    if frame not in FRAMES:
        raise UserError(f"frame={frame!r} is not known. {suggest(str(frame), FRAMES)}")
    try:
        return import_module(frame)
    except ImportError:
        extra = "pip install 'dropexp[notebook]'" if frame == "pandas" else "pip install polars"
        raise UserError(f"frame={frame!r} needs {frame}, which is not installed: {extra}") from None


def _make_series(polars: Any, name: str, values: Sequence[Any]) -> Any:
    try:
        return polars.Series(name, values, strict=True)
    except (TypeError, polars.exceptions.PolarsError):
        texts = [None if value is None else str(value) for value in values]
        return polars.Series(name, texts, dtype=polars.String)
