"""The sections of ``dropexp runs show`` but for the results, as lines for a terminal."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from dropexp.cli.audit_table import format_audit
from dropexp.errors import StoreError
from dropexp.runs.files import ENVIRONMENT, ERROR, SUMMARY
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.overrides import ChangedField
from dropexp.runs.write import RunFolder
from dropexp.terminal.numbers import format_count, format_size, list_few
from dropexp.terminal.tables import Column, format_table

_MOST_ERROR_LINES = 5
_MOST_TENSORS = 6


def format_changed_fields(changed: Sequence[ChangedField]) -> list[Text]:
    """Return one line for each field: its value, and its default."""
    if not changed:
        return [Text("configuration: all defaults")]
    columns: tuple[Column[ChangedField], ...] = (
        Column("", lambda field: field.key, align="left"),
        Column("", lambda field: _format_value(field.value), align="left"),
        Column("", _format_default, align="left", style=lambda _: "dim"),
    )
    heading = Text("configuration, where it is not the default", style="bold")
    return [heading, *format_table(columns, changed, indent=2)]


def _format_default(field: ChangedField) -> str:
    return "" if field.default is None else f"default {_format_value(field.default)}"


def _format_value(value: Any) -> str:
    """Return a value as it is written on the command line."""
    match value:
        case None | bool():
            return json.dumps(value)
        case float():
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
        case list() | tuple():
            return f"[{','.join(_format_value(item) for item in value)}]"
        case _:
            return str(value)


def format_stored_audit(folder: RunFolder, width: int | None) -> list[Text]:
    """Return the checks of audit.json, each with its value and its bound.

    Args:
        folder: the run's.
        width: of the terminal in characters; None for a file.
    """
    try:
        report = folder.read_audit()
    except StoreError as error:
        return [Text(f"audit: {error}", style="red")]
    if report is None:
        return [Text("audit: none, the run was trained with audit=off")]
    checks = format_audit(report["checks"], width)
    return [Text("audit", style="bold"), *checks] if checks else [Text("audit: no checks")]


def format_variance_shifts(folder: RunFolder) -> list[Text]:
    """Return the variance shift of each batch norm layer at the last epoch; often none."""
    if not folder.size_of(SUMMARY):
        return []
    try:
        shifts = folder.read_summary().variance_shifts  # not in the index
    except StoreError:
        return []
    columns: tuple[Column[tuple[str, float]], ...] = (
        Column("", lambda row: row[0], align="left"),
        Column("", lambda row: f"{row[1]:.2f}"),
    )
    heading = Text("variance shift of batch norm at the last epoch", style="bold")
    return [heading, *format_table(columns, list(shifts.items()), indent=2)] if shifts else []


def format_stored_environment(folder: RunFolder) -> list[Text]:
    """Return the versions and the machine of environment.json; none where there is no such file."""
    environment = folder.read_environment()
    if not environment and folder.size_of(ENVIRONMENT):
        return [Text(f"environment: {folder.path / ENVIRONMENT} is damaged", style="red")]
    return format_environment(environment)


def format_environment(environment: Mapping[str, Any]) -> list[Text]:
    """Return the versions and the machine in two lines; none without environment.json."""
    if not environment:
        return []
    packages = environment.get("packages") or {}
    versions = [f"dropexp {environment.get('dropexp')}", f"Python {environment.get('python')}"]
    versions += [f"{name} {packages[name]}" for name in ("torch", "numpy") if packages.get(name)]
    if environment.get("git_commit"):
        versions.append(f"commit {_shorten_commit(environment['git_commit'])}")
    threads = environment.get("threads")
    machine = [
        f"{environment.get('device')} ({environment.get('device_name')})",
        format_count(threads, "thread") if isinstance(threads, int) else "threads unknown",
        str(environment.get("platform")),
    ]
    return [
        Text("environment", style="bold"),
        Text(f"  {', '.join(versions)}"),
        Text(f"  {', '.join(machine)}"),
    ]


def format_fine_tuning(folder: RunFolder) -> list[Text]:
    """Return what the network got from a file of weights, and what of it trained; often none."""
    environment = folder.read_environment()
    weights, trained = environment.get("weights") or {}, environment.get("trained") or {}
    lines = []
    if weights:
        counts = {"loaded": weights.get("loaded", 0)}
        counts |= {key: len(weights.get(key, ())) for key in ("new", "skipped")}
        told = ", ".join(f"{count:,} {key}" for key, count in counts.items())
        lines.append(f"  weights of {weights.get('source')}: tensors {told}")
    if trained:
        share = f"{trained.get('trained', 0):,} of {trained.get('total', 0):,} parameters"
        names = [str(name) for name in trained.get("tensors", ())]
        lines.append(f"  trains {share}: {list_few(names, _MOST_TENSORS)}")
    return [Text("fine-tuning", style="bold"), *map(Text, lines)] if lines else []


def _shorten_commit(commit: str) -> str:
    digits, dash, dirty = commit.partition("-")
    return digits[:8] + dash + dirty


def format_files(folder: RunFolder) -> list[Text]:
    """Return the files of the folder with their sizes."""
    files = [
        (path.name, path.lstat().st_size)
        for path in sorted(folder.path.iterdir())
        if not path.name.startswith(".")
    ]
    columns: tuple[Column[tuple[str, int]], ...] = (
        Column("", lambda file: format_size(file[1])),
        Column("", lambda file: file[0], align="left"),
    )
    heading = Text.assemble((f"files in {folder.path}", "bold"))
    return [heading, *format_table(columns, files, indent=2)]


def format_error(run: ListedRun) -> list[Text]:
    """Return the end of a failed run's traceback, or what is damaged; none for other runs."""
    if run.problem:
        return [Text(run.problem, style="red")]
    lines = run.folder.read_traceback()
    if not lines:
        return []
    shown = lines[-_MOST_ERROR_LINES:]
    heading = ERROR if len(shown) == len(lines) else f"the end of {run.folder.path / ERROR}"
    return [Text(heading, style="bold"), *(Text(f"  {line}", style="red") for line in shown)]
