"""From the rows of a file to settings with values by seed, whether the table is long or wide."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dropexp.compare.foreign.columns import (
    find_column,
    find_matching,
    make_seed,
    make_value,
    number_seeds,
    parse_number,
)
from dropexp.compare.foreign.reading import Cell, Table
from dropexp.errors import UserError
from dropexp.terminal.numbers import format_count, list_few
from dropexp.terminal.plain_text import make_printable

_LARGEST = 1e100  # whose squares can be added up; what is larger has diverged
_MOST_SETTINGS = 10_000
_MOST_DISTINCT = 20
_MOST_NAMED = 4

_LONGEST_NAME = 80
"""Characters of a setting's name; the names of charts stand beside their dots."""


@dataclass(frozen=True)
class ForeignResults:
    """The results of another program.

    Attributes:
        source: the name of the file.
        settings: name → its fields.
        values: name → seed → the value; NaN or infinite for a run that diverged.
        sentences: what was done with the file that a reader should know.
    """

    source: str
    settings: Mapping[str, Mapping[str, Any]]
    values: Mapping[str, Mapping[int, float]]
    sentences: tuple[str, ...] = ()


def shape_results(
    table: Table, settings: Sequence[str], seed: str | None, metric: str
) -> ForeignResults:
    """Return the settings of a table with their values by seed.

    Args:
        table: a row for each run (long), a column for each setting (wide, without settings), or a
            column for each seed (wide, where seed is a pattern such as ``seed_*``).
        settings: the columns that name a setting.
        seed: the column of the seeds, or a pattern of columns.
        metric: the column of the values; in a wide table a name for them.

    Raises:
        UserError: a column is missing or ambiguous, or a value is no number.
    """
    if seed is None:
        raise UserError(
            f"--seed is missing: it names the column of {table.source} that says which runs of two "
            f"settings belong together, such as the seed or the fold."
        )
    is_pattern = seed not in table.columns and any(mark in seed for mark in "*?[")
    if is_pattern:
        cells = _read_seed_columns(table, settings, seed)
    elif settings:
        cells = _read_rows(table, settings, seed, metric)
    else:
        cells = _read_setting_columns(table, seed, metric)
    return _collect(table, cells, metric)


@dataclass(frozen=True)
class _Entry:
    """One value with the fields of its setting; ``place`` says where it stands, for an error."""

    fields: tuple[tuple[str, Any], ...]
    seed: Cell
    value: Cell
    place: str


def _read_rows(
    table: Table, settings: Sequence[str], seed: str, metric: str
) -> tuple[list[_Entry], list[str]]:
    names = list(dict.fromkeys(find_column(table, name, "--setting") for name in settings))
    of_seed, of_metric = find_column(table, seed, "--seed"), find_column(table, metric, "--metric")
    _refuse_shared_columns({"--seed": of_seed, "--metric": of_metric}, names)
    _refuse_repeats(table, names, of_seed, of_metric)
    columns = [table.columns[name] for name in names]
    entries = [
        _Entry(
            tuple(
                (name, make_value(column[row])) for name, column in zip(names, columns, strict=True)
            ),
            make_seed(table.columns[of_seed][row]),
            table.columns[of_metric][row],
            f"row {row + 1}",
        )
        for row in range(table.num_rows)
    ]
    return entries, []


def _read_setting_columns(table: Table, seed: str, metric: str) -> tuple[list[_Entry], list[str]]:
    if metric in table.columns:
        raise UserError(
            f"--setting is missing: {table.source} has a column {metric}, so another one says what "
            f"was trained."
        )
    of_seed = find_column(table, seed, "--seed")
    others = [name for name in table.columns if name != of_seed]
    numeric = [name for name in others if _is_numeric(table.columns[name])]
    if len(numeric) < 2:
        raise UserError(
            f"without --setting each column of numbers but {of_seed} is a setting, and "
            f"{table.source} has {format_count(len(numeric), 'such column')}. Name the column that "
            f"says what was trained with --setting, and that of the results with --metric."
        )
    seeds = [make_seed(value) for value in table.columns[of_seed]]
    entries = [
        _Entry((("setting", name),), seeds[row], table.columns[name][row], name)
        for name in numeric
        for row in range(table.num_rows)
    ]
    _refuse_repeated_seeds(table.source, of_seed, seeds)
    left_out = [name for name in others if name not in numeric]
    said = f"Columns without numbers are no settings: {list_few(left_out, noun='setting')}."
    return entries, [said] if left_out else []


def _read_seed_columns(
    table: Table, settings: Sequence[str], pattern: str
) -> tuple[list[_Entry], list[str]]:
    found = find_matching(table, pattern)
    if not settings:
        raise UserError(
            f"--setting is missing: it names the column of {table.source} that says what was "
            f"trained."
        )
    names = list(dict.fromkeys(find_column(table, name, "--setting") for name in settings))
    seeds = [name for name in found if name not in names]
    if len(seeds) < 2:
        raise UserError(
            f"--seed {pattern} matches {format_count(len(seeds), 'column')} of {table.source}; it "
            f"needs two or more."
        )
    start = len(pattern.partition("*")[0]) if "*" in pattern else 0
    end = len(pattern.rpartition("*")[2]) if pattern.count("*") == 1 else 0
    seed_of = {column: make_seed(column[start : len(column) - end] or column) for column in seeds}
    _refuse_equal_columns(table.source, seed_of)
    entries = [
        _Entry(
            tuple((name, make_value(table.columns[name][row])) for name in names),
            seed_of[column],
            table.columns[column][row],
            f"row {row + 1}",
        )
        for row in range(table.num_rows)
        for column in seeds
    ]
    _refuse_repeats(table, names, None, None)
    return entries, []


def _collect(table: Table, read: tuple[list[_Entry], list[str]], metric: str) -> ForeignResults:
    entries, sentences = read
    unnamed = sum(entry.seed is None for entry in entries)
    if unnamed:
        sentences.append(f"{format_count(unnamed, 'row')} left out: without a seed.")
    entries = [entry for entry in entries if entry.seed is not None]
    numbers, numbered = number_seeds(entry.seed for entry in entries)
    sentences += [numbered] if numbered else []
    keys = dict.fromkeys(entry.fields for entry in entries)
    if len(keys) > _MOST_SETTINGS:
        raise UserError(
            f"{table.source} has {len(keys):,} settings, and {_MOST_SETTINGS:,} are allowed. Does "
            f"--setting name the column that says what was trained?"
        )
    names = _name_settings(list(keys))
    values: dict[str, dict[int, float]] = {names[key]: {} for key in keys}
    empty = 0
    for entry in entries:
        number = parse_number(entry.value)
        if entry.value is None:
            empty += 1
        elif number is None:
            raise UserError(
                make_printable(
                    f"{entry.place} of {table.source} has the {metric} {entry.value!r:.60}, which "
                    f"is no number."
                )
            )
        else:
            is_possible = abs(number) < _LARGEST
            values[names[entry.fields]][numbers[entry.seed]] = number if is_possible else math.inf
    if empty:
        are = "is" if empty == 1 else "are"
        sentences.append(f"{format_count(empty, 'value')} {are} empty: these runs are missing.")
    known = {name: by_seed for name, by_seed in values.items() if by_seed}
    if not known:
        raise UserError(f"{table.source} has no value of {metric}.")
    fields = {names[key]: dict(key) for key in keys if names[key] in known}
    return ForeignResults(table.source, fields, known, tuple(sentences))


def _name_settings(keys: Sequence[tuple[tuple[str, Any], ...]]) -> dict[Any, str]:
    """Return the name of each setting: its values, numbers behind the name of their column."""
    names = {
        key: " ".join(
            str(value) if isinstance(value, str) or len(key) == 1 else f"{name}={value}"
            for name, value in key
        ).strip()
        or "(empty)"
        for key in keys
    }
    if len(set(names.values())) < len(keys):
        names = {key: " ".join(f"{name}={value}" for name, value in key) for key in keys}
    short = {key: abbreviate_name(name) for key, name in names.items()}
    return short if len(set(short.values())) == len(keys) else names


def abbreviate_name(name: str) -> str:
    """Return a name on one line, without its middle if it is too long for tables and charts."""
    line = make_printable(" ".join(name.split()))
    if len(line) <= _LONGEST_NAME:
        return line
    return f"{line[: _LONGEST_NAME // 2]}…{line[-_LONGEST_NAME // 2 + 1 :]}"


def _refuse_shared_columns(named: Mapping[str, str], settings: Sequence[str]) -> None:
    """Refuse one column in two roles, which would compare it with itself."""
    roles = [*named.items(), *(("--setting", name) for name in settings)]
    first: dict[str, str] = {}
    for option, name in roles:
        earlier = first.setdefault(name, option)
        if earlier != option:
            raise UserError(
                make_printable(f"{earlier} and {option} both name the column {name}; name two.")
            )


def _refuse_equal_columns(source: str, seed_of: Mapping[str, Cell]) -> None:
    """Refuse columns whose names say the same seed, such as seed_1 and seed_01."""
    first: dict[Cell, str] = {}
    for column, seed in seed_of.items():
        earlier = first.setdefault(seed, column)
        if earlier != column:
            raise UserError(
                make_printable(f"{source} has two columns of the seed {seed}: {earlier}, {column}.")
            )


def _refuse_repeats(
    table: Table, settings: Sequence[str], seed: str | None, metric: str | None
) -> None:
    """Refuse a table with several rows of a setting and a seed, and say what tells them apart."""
    own = [*settings, seed] if seed else list(settings)
    # As they are compared later: 0.1 and 0.10 are one setting, 3 and 3.0 one seed.
    columns = [
        [make_seed(value) if name == seed else make_value(value) for value in table.columns[name]]
        for name in own
    ]
    first: dict[tuple[Cell, ...], int] = {}
    for row, key in enumerate(zip(*columns, strict=True)):
        earlier = first.setdefault(key, row)
        if earlier == row or (seed and key[-1] is None):
            continue
        differing = [
            name
            for name, values in table.columns.items()
            if name not in own
            and name != metric
            and values[earlier] != values[row]
            and len(set(values)) <= _MOST_DISTINCT
        ]
        named = ", ".join(f"{name}={value}" for name, value in zip(own, key, strict=True))
        told = (
            f"They differ in {', '.join(differing[:_MOST_NAMED])}: add --setting "
            f"{differing[0]}, or choose rows with a filter such as {differing[0]}="
            f"{table.columns[differing[0]][row]}."
            if differing
            else "Leave one row for each run, such as that of the last epoch."
        )
        raise UserError(
            make_printable(
                f"{table.source} has several rows with {named}, such as rows {earlier + 1} and "
                f"{row + 1}. {told}"
            )
        )


def _refuse_repeated_seeds(source: str, name: str, seeds: Sequence[Cell]) -> None:
    counts = Counter(value for value in seeds if value is not None)
    repeated = [value for value, count in counts.items() if count > 1]
    if repeated:
        raise UserError(make_printable(f"{source} has several rows with {name}={repeated[0]}."))


def _is_numeric(values: Sequence[Cell]) -> bool:
    given = [value for value in values if value is not None]
    return bool(given) and all(parse_number(value) is not None for value in given)
