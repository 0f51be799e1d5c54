"""Reading a file of results, CSV, JSON lines or Parquet, within limits."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from dropexp.config.parsing import DamagedError, check_plain, parse_json, read_limited
from dropexp.config.setting import flatten
from dropexp.errors import StoreError, UserError

Cell = str | int | float | bool | None
"""A value of a table; None for an empty one."""

MOST_BYTES = 128 << 20
MOST_ROWS = 1_000_000
MOST_COLUMNS = 10_000
MOST_CELLS = 5_000_000
LONGEST_CELL = 1000
"""Limits of a file, far above what a study has: reading the largest takes seconds."""

_SEPARATORS = ",;\t"


class Table:
    """The columns of a file of results.

    Args:
        source: the name of the file, for sentences.
        columns: name → its values; all have the same length.
    """

    def __init__(self, source: str, columns: Mapping[str, Sequence[Cell]]) -> None:
        self.source = source
        self.columns = columns
        self.num_rows = len(next(iter(columns.values()), ()))

    def select(self, rows: Sequence[int]) -> "Table":
        """Return a table of some rows, by their numbers from 0."""
        return Table(
            self.source,
            {name: [values[row] for row in rows] for name, values in self.columns.items()},
        )


def read_table(path: Path) -> Table:
    """Return the columns of a file of results.

    Raises:
        UserError: there is no such file, it is no table, or larger than is allowed.
    """
    read = _READERS[path.suffix.lower()]
    try:
        columns = read(path)
    except FileNotFoundError:
        raise UserError(f"there is no file {path}.") from None
    except StoreError as error:
        raise UserError(str(error)) from None
    except (DamagedError, csv.Error, UnicodeDecodeError) as error:
        reason = "it is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise UserError(f"{path} is no table of results: {reason}.") from None
    table = Table(path.name, columns)
    if not table.num_rows:
        raise UserError(f"{path} is no table of results: it has no row.")
    return table


# --- CSV ------------------------------------------------------------------------------------------


def _read_csv(path: Path) -> dict[str, list[Cell]]:
    raw = read_limited(path, MOST_BYTES, follow_link=True)
    _refuse_too_many(raw.count(b"\n"))
    text = raw.decode("utf-8-sig")
    heading, _, _ = text.partition("\n")
    separator = max(_SEPARATORS, key=heading.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    names = _check_names([name.strip() for name in next(rows, [])])
    columns: dict[str, list[Cell]] = {name: [] for name in names}
    kept: dict[str, str] = {}  # most cells of a table repeat others
    for number, row in enumerate((row for row in rows if row), start=1):
        if len(row) != len(names):
            raise DamagedError(
                f"row {number} has {len(row):,} cells, and the heading has {len(names):,}"
            )
        if number * len(names) > MOST_CELLS:
            raise DamagedError(f"it has more than {MOST_CELLS:,} cells")
        for (name, values), cell in zip(columns.items(), row, strict=True):
            if len(cell) > LONGEST_CELL:
                raise DamagedError(_explain_long_cell(number, name, cell))
            text = cell.strip()
            values.append(kept.setdefault(text, text) or None)
    return columns


def _check_names(names: list[str]) -> list[str]:
    if len(names) < 2:
        raise DamagedError("its first line does not name two columns or more")
    if len(names) > MOST_COLUMNS:
        raise DamagedError(f"it has {len(names):,} columns, and {MOST_COLUMNS:,} are allowed")
    # What pandas writes as its index has no name.
    named = [name or f"column {place}" for place, name in enumerate(names, start=1)]
    for name in named:
        if len(name) > LONGEST_CELL:
            raise DamagedError(f"the name of a column has {len(name):,} characters")
    repeated = {name for name in named if named.count(name) > 1} if _has_copies(named) else set()
    if repeated:
        raise DamagedError(f"two columns have the name {min(repeated)}")
    return named


def _has_copies(names: Sequence[str]) -> bool:
    return len(set(names)) < len(names)


def _explain_long_cell(number: int, name: str, cell: str) -> str:
    return (
        f"row {number} has a cell of {len(cell):,} characters in the column {name}, and "
        f"{LONGEST_CELL:,} are allowed"
    )


def _refuse_too_many(rows: int) -> None:
    if rows > MOST_ROWS + 1:
        raise DamagedError(f"it has {rows:,} rows, and {MOST_ROWS:,} are allowed")


# --- JSON -----------------------------------------------------------------------------------------


def _read_json_lines(path: Path) -> dict[str, list[Cell]]:
    raw = read_limited(path, MOST_BYTES, follow_link=True)
    _refuse_too_many(raw.count(b"\n"))
    return _tabulate(_parse_lines(raw.decode("utf-8-sig")))


def _parse_lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield parse_json(line, has_nan=True)
            except DamagedError as error:
                raise DamagedError(f"line {number}: {error}") from None


def _read_json(path: Path) -> dict[str, list[Cell]]:
    rows = parse_json(read_limited(path, MOST_BYTES, follow_link=True), has_nan=True)
    if not isinstance(rows, list):
        raise DamagedError("it is not a list of objects, one for each run")
    _refuse_too_many(len(rows))
    return _tabulate(iter(rows))


def _tabulate(rows: Iterator[Any]) -> dict[str, list[Cell]]:
    """Return objects as columns; nested ones have dotted names, as in ``config.lr``."""
    flat: list[Mapping[str, Any]] = []
    names: dict[str, None] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DamagedError(f"row {number} is not an object")
        check_plain(row, has_nan=True)
        flat.append(flatten(row))
        names |= dict.fromkeys(flat[-1])
        if len(names) > MOST_COLUMNS or number * len(names) > MOST_CELLS:
            raise DamagedError(f"it has more than {MOST_COLUMNS:,} columns or {MOST_CELLS:,} cells")
    return {
        name: [_make_cell(row.get(name), number, name) for number, row in enumerate(flat, start=1)]
        for name in names
    }


def _make_cell(value: Any, number: int, name: str) -> Cell:
    if isinstance(value, list | tuple | dict):
        value = str(value)
    if isinstance(value, str) and len(value) > LONGEST_CELL:
        raise DamagedError(_explain_long_cell(number, name, value))
    return value if isinstance(value, str | int | float | bool | None) else str(value)


# --- Parquet --------------------------------------------------------------------------------------


def _read_parquet(path: Path) -> dict[str, list[Cell]]:
    raw = io.BytesIO(read_limited(path, MOST_BYTES, follow_link=True))
    for library, read in (("pyarrow.parquet", _read_by_arrow), ("polars", _read_by_polars)):
        try:
            module = import_module(library)
        except ImportError:
            continue
        try:
            columns = read(module, raw)
        except DamagedError:
            raise
        except Exception as error:  # each library has its own exceptions
            raise DamagedError(f"it is not Parquet ({error})") from None
        return {
            name: [_make_cell(value, row, name) for row, value in enumerate(values, start=1)]
            for name, values in columns.items()
        }
    raise UserError(f"reading {path} needs pyarrow or polars: pip install pyarrow")


def _read_by_arrow(arrow: Any, raw: io.BytesIO) -> Mapping[str, list[Any]]:
    file = arrow.ParquetFile(raw)
    _refuse_large(file.metadata.num_rows, len(file.schema_arrow.names))
    columns: Mapping[str, list[Any]] = file.read().to_pydict()
    return columns


def _read_by_polars(polars: Any, raw: io.BytesIO) -> Mapping[str, list[Any]]:
    lazy = polars.scan_parquet(raw)
    rows = lazy.select(polars.len()).collect().item()
    _refuse_large(rows, len(lazy.collect_schema().names()))
    columns: Mapping[str, list[Any]] = lazy.collect().to_dict(as_series=False)
    return columns


def _refuse_large(rows: int, columns: int) -> None:
    # Before anything is decoded: a few kilobytes of Parquet can stand for any number of cells.
    _refuse_too_many(rows)
    if columns > MOST_COLUMNS or rows * columns > MOST_CELLS:
        raise DamagedError(
            f"it has {rows:,} rows of {columns:,} columns, and {MOST_COLUMNS:,} columns and "
            f"{MOST_CELLS:,} cells are allowed"
        )


_READERS: Mapping[str, Callable[[Path], dict[str, list[Cell]]]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
}
