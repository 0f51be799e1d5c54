"""The columns that ``--columns`` names: by the names of the CSV file, or by their headings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dropexp.compare.cells import Cell
from dropexp.compare.columns import ComparisonColumn, list_columns
from dropexp.compare.data_files import tabulate
from dropexp.compare.results import Comparison, Row
from dropexp.errors import UserError, suggest_close
from dropexp.runs.metric_types import Notation
from dropexp.terminal.numbers import format_number

_SETTING = "setting"


def choose_keys(comparison: Comparison, names: Sequence[str]) -> list[str]:
    """Return the keys of the columns that names stand for; ``setting`` first if it is not named.

    Args:
        comparison: the comparison whose columns to choose.
        names: names of CSV columns, such as ``test_loss_low``, or headings, such as
            ``vs baseline``, in any case.

    Raises:
        UserError: there is no such column, or a name is given twice.
    """
    keys: list[str] = []
    for name in names:
        key = choose_key(comparison, name, "--columns")
        if key in keys:
            raise UserError(f"--columns names the column {key} twice. Name it once.")
        keys.append(key)
    return keys if _SETTING in keys else [_SETTING, *keys]


def choose_key(
    comparison: Comparison, name: str, option: str, *, others: Sequence[str] = ()
) -> str:
    """Return the key of the column that a name or a heading stands for.

    Args:
        comparison: the comparison whose column to choose.
        name: see choose_keys.
        option: names the option in the error.
        others: what else the option takes, for the error.

    Raises:
        UserError: there is no such column.
    """
    known = _index_names(comparison)
    key = known.get(_normalise(name))
    if key is not None:
        return key
    hint = suggest_close(_normalise(name), [*known, *others])
    if not hint:
        shown = [*others, *(column.key for column in list_columns(comparison))]
        hint = f"Known: {', '.join(shown)}, and the other columns of --format csv."
    raise UserError(f"{option} {name} is no column. {hint}")


def choose_columns(
    comparison: Comparison, keys: Sequence[str], notation: Notation
) -> list[ComparisonColumn]:
    """Return the columns of a table by their keys; each is shown, whether it has room or not.

    Args:
        comparison: the comparison whose columns to choose.
        keys: from choose_keys.
        notation: how numbers are written.
    """
    registered = {c.key: c for c in list_columns(comparison, notation, with_hidden=True)}
    lines = {line["setting"]: line for line in tabulate(comparison)}
    chosen = [registered.get(key) or _make_plain_column(key, lines) for key in keys]
    return [replace(column, is_required=True) for column in chosen]


def _make_plain_column(key: str, lines: Mapping[str, Mapping[str, Any]]) -> ComparisonColumn:
    """Return a column of values as the CSV file has them, with fewer digits."""
    is_text = any(isinstance(line.get(key), str) for line in lines.values())

    def cell(row: Row) -> Cell:
        return Cell(_format_value(lines[row.setting.name].get(key)))

    return ComparisonColumn(key, key, f"{key} as in the CSV file", cell, is_text=is_text)


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}" if value == round(value, 3) else format_number(value)
    return str(value)


def _index_names(comparison: Comparison) -> dict[str, str]:
    """Return each name and heading in lower case → the key of its column."""
    known = {_normalise(key): key for key in tabulate(comparison)[0]}
    for notation in Notation:
        for column in list_columns(comparison, notation, with_hidden=True):
            known.setdefault(_normalise(column.heading), column.key)
            known[column.key] = column.key
    return known


def _normalise(name: str) -> str:
    return " ".join(name.lower().split())
