"""What recorded files may make this machine run or read, and what its user has trusted.

A run folder and the file of a study may come from anybody, and a config can name any function to
call (``model.target=os:system``) and any folder to read (``data.root=/``). So what a recorded file
names is used only if the user has used it on this machine before, names it on the command line, or
says ``--trust``. What the user has used is kept in a file of the user's own, outside of all folders
of runs. Imports no torch.
"""

import json
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dropexp.config.added_files import find_origins
from dropexp.config.compose import Check, compose_parsed, find_default_root, list_choices
from dropexp.config.data_section import (
    ArraysConfig,
    CustomDataConfig,
    ImageFolderConfig,
    MNIST1DConfig,
    PublishedConfig,
)
from dropexp.config.fingerprints import find_source_file
from dropexp.config.model_section import CustomConfig
from dropexp.config.overrides import Override, parse_overrides
from dropexp.config.parsing import DamagedError, parse_json, read_limited
from dropexp.config.regulariser_section import CustomRegulariserConfig
from dropexp.config.run_config import RunConfig
from dropexp.config.weights_files import is_published_name
from dropexp.errors import StoreError, UntrustedError

CustomSection = CustomConfig | CustomDataConfig | CustomRegulariserConfig

_FILE = "used.jsonl"
_MOST_BYTES = 64 << 20
_COMPUTED = re.compile(r"\$\{(?!\s*[\w.]+\s*\})")
"""Begins a value that OmegaConf computes, such as ``${oc.env:HOME}``, nested ones included: only
another value of the config by its name, such as ``${seed}``, is harmless."""


@dataclass(frozen=True)
class Access:
    """Something outside of its folder that a recorded config names.

    Attributes:
        key: of the config.
        description: of the value and what would be done with it, for an error.
        entry: identifies it in the user's file.
    """

    key: str
    description: str
    entry: Mapping[str, Any]


def refuse_untrusted(
    config: RunConfig, where: str | Path, typed: Collection[str] = (), *, trust: bool
) -> None:
    """Refuse a recorded config that names code or a folder that the user has not used here.

    Nothing is imported, and no folder is read.

    Args:
        config: as recorded, changed by what was typed.
        where: the file or folder that names it.
        typed: the keys that the user has typed.
        trust: whether the user has said ``--trust``.

    Raises:
        UntrustedError: shows what it names.
    """
    if trust:
        return
    found = [access for access in list_accesses(config) if access.key not in typed]
    known = _read_known() if found else set()
    found = [access for access in found if _format(access.entry) not in known]
    if found:
        raise UntrustedError(_explain(found, where))


def refuse_computed_values(
    overrides: Iterable[Override], where: str | Path, *, trust: bool
) -> None:
    """Refuse recorded overrides with values that OmegaConf computes, as from the environment.

    Raises:
        UntrustedError: shows the first of them.
    """
    for override in overrides:
        # Hydra removes backslashes: $\\{ is a brace too.
        if not trust and _COMPUTED.search(override.text.replace("\\", "")):
            access = Access(override.key, f"{override.text} would be computed", {})
            raise UntrustedError(_explain([access], where))


def refuse_computed_files(
    files: Mapping[str, str], where: str | Path | None, *, trust: bool
) -> None:
    """Refuse recorded config files with values that OmegaConf computes.

    Raises:
        UntrustedError: shows the first of them.
    """
    for name, text in files.items():
        if not trust and _COMPUTED.search(text.replace("\\", "")):
            access = Access(name, f"a value of {name} would be computed", {})
            raise UntrustedError(_explain([access], where or name))


def make_check(overrides: Sequence[Override], *, trust: bool) -> Check:
    """Return what refuses a config of the user's for what config files beside conf/ name.

    Args:
        overrides: as typed.
        trust: whether the user has said ``--trust``.
    """
    origins = find_origins(list_choices(overrides))
    if not origins:
        return lambda _: None
    typed = {override.key for override in overrides}
    return lambda config: refuse_untrusted(config, origins[0], typed, trust=trust)


def compose_typed(overrides: Sequence[str], *, trust: bool) -> RunConfig:
    """Return the checked config of one run from what the user has typed; see make_check."""
    parsed = parse_overrides(overrides)
    return compose_parsed(parsed, make_check(parsed, trust=trust))


def is_known_folder(root: str) -> bool:
    """Return whether the user has used a folder of data on this machine."""
    return _format(_make_folder_entry(root)) in _read_known()


def is_known_weights(weights: str) -> bool:
    """Return whether the user has used a file of weights on this machine."""
    return _format(_make_weights_entry(weights)) in _read_known()


def remember_use(*configs: RunConfig) -> None:
    """Remember that the user has used the code and the folders that configs name.

    Called for what the user has typed or trusted only. Where the file cannot be written, nothing
    is remembered, and ``--trust`` is asked for again.
    """
    entries = {_format(one.entry): one for config in configs for one in list_accesses(config)}
    path = find_trust_file()
    if path is None or not entries or not (new := entries.keys() - _read_known()):
        return
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, "".join(f"{entry}\n" for entry in sorted(new)).encode())
        finally:
            os.close(descriptor)


def list_accesses(config: RunConfig) -> list[Access]:
    """Return the code, folder and weights that a config names, but for the default folder."""
    model, data = config.model, config.data
    accesses = [_access_code(key, section) for key, section in _list_custom(config)]
    if isinstance(data, ROOTED) and not _is_default_root(data.name, data.root):
        text = f"data.root={data.root} would be read"
        accesses.append(Access("data.root", text, _make_folder_entry(data.root)))
    if model.weights is not None and not is_published_name(model.name, model.weights):
        text = f"model.weights={model.weights} would be read"
        accesses.append(Access("model.weights", text, _make_weights_entry(model.weights)))
    return accesses


ROOTED = (PublishedConfig, MNIST1DConfig, ImageFolderConfig, ArraysConfig)
"""The sections of data that name a folder or a file."""


def _list_custom(config: RunConfig) -> Iterator[tuple[str, CustomSection]]:
    """Yield the sections that name code of a user's, each with its key."""
    if isinstance(config.model, CustomConfig):
        yield "model", config.model
    if isinstance(config.data, CustomDataConfig):
        yield "data", config.data
    for part in config.parts:
        if isinstance(part, CustomRegulariserConfig):
            is_single = part is config.regulariser
            yield "regulariser" if is_single else f"regulariser.{part.name}", part


def _access_code(key: str, section: CustomSection) -> Access:
    file = find_source_file(section.target)
    entry = {"target": section.target, "options": section.options, "file": file and str(file)}
    options = f" with {json.dumps(section.options)}" if section.options else ""
    place = file or "no file that is found here"
    text = f"{key}.target={section.target}{options} ({place}) would be imported and called"
    return Access(f"{key}.target", text, entry)


def find_trust_file() -> Path | None:
    """Return the file of what the user has used on this machine; None without a home folder."""
    given = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME")
    try:
        state = Path(given) if given else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return state / "dropexp" / _FILE if state.is_absolute() else None


def _is_default_root(name: str, root: str) -> bool:
    if name in ("image_folder", "arrays"):
        return False
    return _resolve(find_default_root(name)) == _resolve(root)


def _make_folder_entry(root: str) -> dict[str, Any]:
    return {"root": _resolve(root)}


def _make_weights_entry(weights: str) -> dict[str, Any]:
    return {"weights": _resolve(weights)}


def _resolve(folder: str) -> str:
    try:
        return str(Path(folder).expanduser().resolve())
    except (OSError, RuntimeError, ValueError):
        return folder


def _format(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, sort_keys=True)


def _read_known() -> set[str]:
    path = find_trust_file()
    known: set[str] = set()
    if path is None:
        return known
    try:
        lines = read_limited(path, _MOST_BYTES, follow_link=True).splitlines()
    except (FileNotFoundError, StoreError):
        return known
    for line in lines:
        with suppress(DamagedError):
            known.add(_format(parse_json(line)))
    return known


def _explain(found: Iterable[Access], where: str | Path) -> str:
    described = "; ".join(access.description for access in found)
    yours = {"data.root": "folder of your data", "model.weights": "file of your weights"}
    keys = [access.key for access in found if access.key in yours]
    named = " and the ".join(yours[key] for key in keys)
    hint = f", or name the {named}: {' '.join(f'{key}=…' for key in keys)}" if keys else ""
    return (
        f"{where} names what you have not used on this machine: {described}. If you know who made "
        f"it and trust it, repeat the command with --trust{hint}."
    )
