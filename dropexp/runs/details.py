"""What is worth knowing about one run, as lines of text.

The results themselves are shown as after training (console.py). Composing the defaults needs
Hydra, but no torch.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from shlex import quote
from typing import Any

from rich.text import Text

from dropexp.config.compose import compose_run
from dropexp.config.groups import groups
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import flat
from dropexp.errors import StoreError, UserError
from dropexp.runs.listing import ListedRun
from dropexp.runs.tables import size
from dropexp.runs.write import AUDIT, ERROR, RunFolder

_MOST_ERROR_LINES = 5
_FEWEST_COLUMNS_OF_MEANING = 50
_NOT_REPEATED = ("force", "p", "regulariser.p", "data.fingerprint")
"""Fields that a command does not name: they follow from others, or would train anew."""

_PLAIN_WORD = re.compile(r"(?!(null|true|false|inf|nan)$)[A-Za-z_/.~][\w/.~-]*", re.IGNORECASE)


@dataclass(frozen=True)
class Difference:
    """A field that is not what plain ``dropexp train`` has; None for default: it has no such."""

    key: str
    value: Any
    default: Any


def differences(config: Mapping[str, Any]) -> list[Difference]:
    """Where a flat config is not that of ``dropexp train`` without overrides.

    A regulariser's options are told where they are not its own defaults.
    """
    defaults = flat(compose_run([]).to_mapping())
    name = str(config.get("regulariser.name"))
    if set(name.split("+")) <= set(groups()["regulariser"]):
        own = flat(compose_run([f"regulariser={name}"]).to_mapping())
        options = {key: value for key, value in own.items() if key.startswith("regulariser.")}
        defaults = {**options, **defaults}
    return [
        Difference(key, value, defaults.get(key))
        for key, value in config.items()
        if defaults.get(key) != value
        and not (key == "regulariser.p" and value == config.get("p"))
        and not (key == "data.seed" and value == config.get("seed"))
    ]


def difference_lines(found: Sequence[Difference]) -> list[Text]:
    """One line a field: its value, and what it is by default."""
    if not found:
        return [Text("configuration: that of plain dropexp train")]
    longest = max(len(each.key) for each in found)
    widest = max(len(as_text(each.value)) for each in found)
    lines = [Text("configuration, where it is not that of plain dropexp train", style="bold")]
    for each in found:
        line = Text(f"  {each.key:<{longest}}  {as_text(each.value):<{widest}}")
        if each.default is not None:
            line.append(f"  not {as_text(each.default)}", style="dim")
        line.rstrip()
        lines.append(line)
    return lines


def training_command(folder: RunFolder) -> str | None:
    """The ``dropexp train`` that trains the run of this folder; None if there is none.

    There is none where the run's config is damaged, of another version, or names pictures that
    are not there: the command is given only if it leads to this very run.
    """
    try:
        config = RunConfig.from_mapping(folder.read_config())
        words = training_words(config)
        if compose_run(words).config_hash != config.config_hash:
            return None
    except (UserError, StoreError):
        return None
    return " ".join(["dropexp train", *(quote(word) for word in words)])


def audit_lines(folder: RunFolder, width: int | None) -> list[Text]:
    """The checks of audit.json, each with its value and its bound.

    Args:
        folder: the run's.
        width: of the terminal in columns, None for a file: what each check means is said where
            there is room, and of a failed one everywhere.
    """
    try:
        report = json.loads((folder.path / AUDIT).read_text(encoding="utf-8"))
        rows = [
            (
                check["passed"],
                str(check["name"]),
                _rounded(check["value"]),
                _rounded(check["bound"]),
                str(check["meaning"]),
            )
            for check in report["checks"]
        ]
    except FileNotFoundError:
        return [Text("audit: none was made")]
    except (OSError, ValueError, KeyError, TypeError):
        return [Text(f"audit: {folder.path / AUDIT} is damaged", style="red")]
    return _audit_table(rows, width) if rows else [Text("audit: no checks were made")]


def environment_lines(noted: Mapping[str, Any]) -> list[Text]:
    """Versions and machine, in two lines."""
    if not noted:
        return []
    packages = noted.get("packages") or {}
    versions = [f"dropexp {noted.get('dropexp')}", f"Python {noted.get('python')}"]
    versions += [f"{name} {packages[name]}" for name in ("torch", "numpy") if packages.get(name)]
    if noted.get("git_commit"):
        versions.append(f"commit {_short_commit(noted['git_commit'])}")
    threads = f"{noted.get('threads')} thread{'' if noted.get('threads') == 1 else 's'}"
    machine = f"{noted.get('device')} ({noted.get('device_name')}), {threads}"
    return [
        Text("environment", style="bold"),
        Text(f"  {', '.join(versions)}"),
        Text(f"  {machine}, {noted.get('platform')}"),
    ]


def file_lines(folder: RunFolder) -> list[Text]:
    """The files of the folder with their sizes."""
    files = sorted(path for path in folder.path.iterdir() if not path.name.startswith("."))
    sizes = [size(path.stat().st_size) for path in files]
    widest = max(map(len, sizes), default=0)
    return [
        Text.assemble((f"files in {folder.path}", "bold")),
        *(
            Text(f"  {shown:>{widest}}  {path.name}")
            for shown, path in zip(sizes, files, strict=True)
        ),
    ]


def error_lines(run: ListedRun) -> list[Text]:
    """The end of a failed run's traceback, or what is damaged; nothing for other runs."""
    if run.problem:
        return [Text(run.problem, style="red")]
    path = run.folder.path / ERROR
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    except OSError:
        return []
    shown = lines[-_MOST_ERROR_LINES:]
    heading = "error.txt" if len(shown) == len(lines) else f"the end of {path}"
    return [Text(heading, style="bold"), *(Text(f"  {line}", style="red") for line in shown)]


def as_text(value: Any) -> str:
    """A value as it is written on the command line."""
    match value:
        case None | bool():
            return json.dumps(value)
        case float():
            return f"{value:g}" if float(f"{value:g}") == value else repr(value)
        case list() | tuple():
            return f"[{','.join(as_text(item) for item in value)}]"
        case _:
            return str(value)


def _rounded(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else as_text(value)


def _audit_table(rows: Sequence[tuple[bool, str, str, str, str]], width: int | None) -> list[Text]:
    names, values, bounds = zip(*(row[1:4] for row in rows), strict=True)
    name = max(map(len, names))
    value, bound = max(map(len, ("value", *values))), max(map(len, ("bound", *bounds)))
    heading = f"{'audit':<{name + 2}}  {'':6}  {'value':>{value}}  {'bound':>{bound}}"
    lines = [Text(heading, style="bold")]
    has_room = width is None or width >= len(heading) + _FEWEST_COLUMNS_OF_MEANING
    for passed, *cells, meaning in rows:
        line = f"  {cells[0]:<{name}}  {'passed' if passed else 'FAILED'}"
        line += f"  {cells[1]:>{value}}  {cells[2]:>{bound}}"
        lines.append(Text(line, style="" if passed else "red"))
        if has_room:
            lines[-1].append(f"  {meaning}", style="dim")
            lines[-1].truncate(width or len(lines[-1]), overflow="ellipsis")
        elif not passed:
            lines.append(Text(f"    {meaning}", style="red"))
    return lines


def _short_commit(commit: str) -> str:
    digits, dash, dirty = commit.partition("-")
    return digits[:8] + dash + dirty


def training_words(config: RunConfig) -> list[str]:
    """The words that lead from conf/ to this config: groups first, then what they leave open.

    Raises:
        UserError: there are none, as with pictures that are not there.
    """
    wanted = flat(config.to_mapping())
    words = [*_choices(wanted), *_leading(wanted)]
    reached = flat(compose_run(words).to_mapping())
    return words + [
        _override(key, value, is_new=key not in reached)
        for key, value in wanted.items()
        if (key not in reached or reached[key] != value) and key not in _NOT_REPEATED
    ]


@cache
def _defaults() -> dict[str, Any]:
    return flat(compose_run([]).to_mapping())


def _choices(wanted: Mapping[str, Any]) -> list[str]:
    defaults = _defaults()
    words = []
    for group, names in groups().items():
        key = f"{group.replace('/', '.')}.name"
        if wanted.get(key) in names and wanted[key] != defaults.get(key):
            words.append(f"{group}={wanted[key]}")
    if "train.early_stopping.patience" in wanted:
        words.append("train/early_stopping=patience")
    return words


def _leading(wanted: Mapping[str, Any]) -> Iterable[str]:
    """The fields that others follow; data.root, as some data cannot be composed without."""
    if wanted["regulariser.name"] != "none":
        yield f"p={wanted['p']!r}"
    if wanted["seed"] != 0:
        yield f"seed={wanted['seed']}"
    if wanted["data.name"] == "image_folder":
        yield _override("data.root", wanted["data.root"], is_new=False)


def _override(key: str, value: Any, *, is_new: bool) -> str:
    return f"{'+' if is_new else ''}{key}={_for_hydra(value)}"


def _for_hydra(value: Any) -> str:
    """A value in Hydra's grammar, with every digit."""
    if not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return value if _PLAIN_WORD.fullmatch(value) else f"'{escaped}'"
