"""Finding the columns that options name, also in exports of W&B and MLflow, and their values."""

import math
from collections.abc import Iterable
from fnmatch import fnmatchcase

from dropexp.compare.foreign.reading import Cell, Table
from dropexp.errors import UserError, suggest_close
from dropexp.terminal.numbers import list_few
from dropexp.terminal.plain_text import make_printable

_PREFIXES = ("metrics.", "params.", "tags.", "config.", "summary.", "tags.mlflow.")
"""Before the names of columns in exports of MLflow, and of W&B by its API."""

_MOST_NAMED = 12
_ENDED = {"finished", "completed", "success", "done"}
_OTHER_STATES = {
    *("failed", "crashed", "killed", "running", "scheduled", "pending", "preempted"),
    *("preempting", "error"),
}


def find_column(table: Table, name: str, option: str) -> str:
    """Return the column that an option names.

    Args:
        table: the file's columns.
        name: of the column, exactly, in other letters (``name`` for ``Name``), or without the
            prefix of an export (``val_loss`` for ``metrics.val_loss``).
        option: for the error.

    Raises:
        UserError: there is no such column, or there are several.
    """
    if name in table.columns:
        return name
    prefixed = [prefix + name for prefix in _PREFIXES if prefix + name in table.columns]
    similar = [each for each in table.columns if each.lower() == name.lower()]
    found = prefixed or similar
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"{option} {name} may be {' or '.join(found)} in {table.source}; name one.")
    if any(each.endswith(f" - {name}__MAX") for each in table.columns):
        raise UserError(
            f"{table.source} is the export of a chart of W&B, which has no row for each run: "
            f"export the table of runs instead."
        )
    short = {_drop_prefix(each): each for each in table.columns}
    hint = suggest_close(name, {*table.columns, *short}) or list_columns(table.columns)
    raise UserError(make_printable(f"{option} {name} is no column of {table.source}. {hint}"))


def find_matching(table: Table, pattern: str) -> list[str]:
    """Return the columns whose names match a pattern such as ``seed_*``, in their order."""
    return [name for name in table.columns if fnmatchcase(name, pattern)]


def split_finished(table: Table) -> tuple[Table, list[str]]:
    """Return the rows of runs that have finished, and a sentence for each reason to drop others.

    Only a column ``State`` or ``status`` that holds nothing but states of W&B and MLflow counts.
    """
    for name, values in table.columns.items():
        states = {str(value).lower() for value in values}
        if name.lower() in ("state", "status") and states <= _ENDED | _OTHER_STATES:
            break
    else:
        return table, []
    kept = [row for row, value in enumerate(values) if str(value).lower() in _ENDED]
    if len(kept) == table.num_rows:
        return table, []
    others = sorted(states - _ENDED)
    dropped = table.num_rows - len(kept)
    rows = f"{dropped} row{'s' * (dropped > 1)} left out"
    return table.select(kept), [f"{rows}: {name} is {' or '.join(others)}."]


def parse_number(value: Cell) -> float | None:
    """Return a cell as a number, which may be infinite or NaN; None if it is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str) and "_" in value:
        return None  # Python reads 1_0 as 10; here it is a name, such as that of a fold
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def make_seed(value: Cell) -> Cell:
    """Return a cell of a seed, equal for 3, 3.0 and 03; None where there is none, also for NaN."""
    number = parse_number(value)
    if value is None or (number is not None and math.isnan(number)):
        return None
    return make_value(value)


def number_seeds(values: Iterable[Cell]) -> tuple[dict[Cell, int], str]:
    """Return seed, as make_seed returns it → its number, and a sentence where it had none.

    Whole numbers keep their value. Other names, such as those of folds, are numbered from 0 in
    their order.
    """
    distinct = sorted(set(values), key=lambda value: (parse_number(value) or 0.0, str(value)))
    numbers = [parse_number(value) for value in distinct]
    whole = [number for number in numbers if number is not None and float(number).is_integer()]
    if len(set(whole)) == len(distinct) and all(0 <= number < 2**63 for number in whole):
        return {value: int(number) for value, number in zip(distinct, whole, strict=True)}, ""
    first = ", ".join(f"{value} is {place}" for place, value in enumerate(distinct[:3]))
    more = ", …" if len(distinct) > 3 else ""
    numbered = {value: place for place, value in enumerate(distinct)}
    return numbered, f"Seeds are numbered in the order of their names: {first}{more}."


def make_value(value: Cell) -> str | int | float | bool:
    """Return a cell of a setting as a number where it is one, so that 0.10 is 0.1."""
    number = parse_number(value)
    if number is None or not math.isfinite(number):
        return "" if value is None else value
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def list_columns(names: Iterable[str]) -> str:
    """Return a sentence with the names of a file's columns, or the first ones of many."""
    return f"It has {list_few(list(names), _MOST_NAMED)}."


def _drop_prefix(name: str) -> str:
    return next((name.removeprefix(p) for p in _PREFIXES if name.startswith(p)), name)
