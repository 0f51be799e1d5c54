"""Reading files that somebody else may have written: ordinary files only, and within limits.

A run folder or a study file may come from anywhere. Whatever is in it, reading it costs little
memory and time, and what is not allowed raises an error that says so. runs/parsing.py has the
limits of each file. Imports no torch.
"""

import json
import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from math import isfinite
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, TypeVar

import yaml

from dropexp.errors import StoreError

# O_NONBLOCK: opening a named pipe would wait for somebody who writes to it. O_BINARY: Windows
# would translate line ends.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FLAGS = (
    os.O_RDONLY
    | _NO_LINK
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_MOST_AT_ONCE = 1 << 16  # bytes

MOST_BYTES_OF_STUDY = 256 << 20  # a million runs

MOST_NESTED = 32
"""How deep lists and mappings may be nested; dropexp's own files have at most 6 levels."""

LARGEST_NUMBER = (1 << 63) - 1
"""No number of a run is larger; a float cannot hold one of thousands of digits."""

LONGEST_TEXT = 64_000  # characters

# The loader written in C is six times as fast.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_VALUE_ERRORS = (ValueError, LookupError, AttributeError, TypeError, OverflowError)
"""What PyYAML raises for a number of 5,000 digits, the day 2026-99-99, or ``!!bool maybe``."""

_KINDS: Mapping[type, str] = {
    str: "text",
    int: "whole numbers",
    float: "numbers",
    bool: "true or false",
    type(None): "null",
    list: "lists",
    dict: "mappings",
}

Item = TypeVar("Item")


class DamagedError(ValueError):
    """A text, or a value in it, is not what dropexp writes; the message is the reason."""


def read_limited(path: str | Path, limit: int, *, follow_link: bool = False) -> bytes:
    """Return the content of an ordinary file; for a small one faster than ``Path.read_bytes``.

    Links are not followed, and named pipes, sockets and devices are not read.

    Args:
        path: of the file.
        limit: the most bytes that it may have.
        follow_link: whether the path may be a link, as where the user has named it.

    Raises:
        FileNotFoundError: there is no such file.
        StoreError: it cannot be read, is no ordinary file, or is larger than the limit.
    """
    descriptor = _open(path, limit, follow_link=follow_link)
    try:
        raw = os.read(descriptor, _MOST_AT_ONCE)
        if len(raw) == _MOST_AT_ONCE:
            raw = _read_rest(descriptor, raw, limit)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from None
    finally:
        os.close(descriptor)
    if len(raw) > limit:
        raise StoreError(f"{path} cannot be read: {_explain_limit(len(raw), limit)}.")
    return raw


def digest_limited(path: str | Path, limit: int) -> str:
    """Return the SHA-256 of an ordinary file, in little memory; "" for an empty one.

    Raises:
        FileNotFoundError, StoreError: see read_limited.
    """
    digest, left = sha256(), limit
    descriptor = _open(path, limit, follow_link=False)
    try:
        while left > 0 and (raw := os.read(descriptor, min(left, 16 * _MOST_AT_ONCE))):
            digest.update(raw)
            left -= len(raw)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from None
    finally:
        os.close(descriptor)
    return digest.hexdigest() if left < limit else ""


def _open(path: str | Path, limit: int, *, follow_link: bool) -> int:
    """Open an ordinary file of at most so many bytes; see read_limited for the errors."""
    try:
        descriptor = os.open(path, _FLAGS & ~_NO_LINK if follow_link else _FLAGS)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise StoreError(f"{path} cannot be read: {_explain(path, error)}.") from None
    try:
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode):
            kind = "folder" if S_ISDIR(status.st_mode) else "device or a named pipe"
            raise StoreError(f"{path} cannot be read: it is a {kind}, not a file.")
        if status.st_size > limit:
            raise StoreError(f"{path} cannot be read: {_explain_limit(status.st_size, limit)}.")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def parse_json(text: str | bytes, *, has_nan: bool = False) -> Any:
    """Return the value of a JSON text.

    Args:
        text: in UTF-8.
        has_nan: whether it may have NaN and Infinity, which are no JSON.

    Raises:
        DamagedError: it is not JSON, or nested too deep.
    """
    decoder = _JSON_WITH_NAN if has_nan else _JSON
    try:
        return decoder.decode(text if isinstance(text, str) else text.decode())
    except RecursionError:
        raise DamagedError("it is nested too deep") from None
    except ValueError as error:
        raise DamagedError(f"it is not JSON: {error}") from None


def _refuse_constant(name: str) -> Any:
    raise DamagedError(f"it has the number {name}")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)
_JSON_WITH_NAN = json.JSONDecoder()


def parse_yaml_text(text: str) -> Any:
    """Return the plain value of a YAML text.

    Aliases are refused: a few lines of them can stand for more values than any memory holds.

    Raises:
        yaml.YAMLError: it is not YAML.
        DamagedError: it has aliases, or a value that check_plain refuses.
    """
    try:
        if "*" in text and any(
            isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_LOADER)
        ):
            raise DamagedError("it has a YAML alias, such as *name")
        value = yaml.load(text, Loader=_LOADER)
    except RecursionError:
        raise DamagedError("it is nested too deep") from None
    except _VALUE_ERRORS as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError("it has a value that YAML cannot hold") from None
    check_plain(value)
    return value


def check_plain(value: Any, *, depth: int = MOST_NESTED, has_nan: bool = False) -> None:
    """Check a value of JSON or YAML: depth, size of numbers and texts, kinds of values.

    Args:
        value: any.
        depth: how deep it may be nested.
        has_nan: whether numbers may be NaN or infinite.

    Raises:
        DamagedError: says what is not allowed.
    """
    match value:
        case None | bool():
            return
        case int():
            if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
                raise DamagedError("it has a number of more than 19 digits")
        case float():
            if not has_nan and not isfinite(value):
                raise DamagedError("it has a number that is not finite")
        case str():
            if len(value) > LONGEST_TEXT:
                raise DamagedError(f"it has a text of {len(value):,} characters")
        case list() | tuple() | dict():
            if not depth:
                raise DamagedError(f"it is nested deeper than {MOST_NESTED} levels")
            for item in _list_items(value):
                if not _is_small(item):
                    check_plain(item, depth=depth - 1, has_nan=has_nan)
        case _:
            raise DamagedError(f"it has a value of the type {type(value).__name__}")


def _is_small(value: Any) -> bool:
    """Return whether check_plain has nothing to say of a text or a number, or of neither."""
    kind = type(value)
    if kind is str:
        return len(value) <= LONGEST_TEXT
    if kind is int:
        return bool(-LARGEST_NUMBER <= value <= LARGEST_NUMBER)
    return isfinite(value) if kind is float else value is None or kind is bool


def _list_items(value: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterable[Any]:
    if not isinstance(value, dict):
        return value
    for key in value:
        if not isinstance(key, str) or len(key) > LONGEST_TEXT:
            raise DamagedError(f"it has the key {key!r:.40}, which is no short text")
    return value.values()


def get_mapping(value: Any, what: str = "it") -> dict[str, Any]:
    """Return the value, which must be a mapping.

    Raises:
        DamagedError: it is none.
    """
    if not isinstance(value, dict):
        raise DamagedError(f"{what} is not a mapping")
    return value


def get_items(plain: Mapping[str, Any], key: str, kind: type[Item]) -> list[Item]:
    """Return a list in a mapping, all items of which must be of a type.

    Raises:
        DamagedError: it is none.
    """
    items = plain.get(key)
    if not isinstance(items, list) or not {kind}.issuperset(map(type, items)):
        raise DamagedError(f"{key} is not a list of {_KINDS[kind]}")
    return items


def check_types(plain: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> None:
    """Check that each key of a mapping has a value of one of its types.

    Raises:
        DamagedError: names the first that has not.
    """
    for key, allowed in types.items():
        if type(plain.get(key)) not in allowed:
            wanted = " or ".join(_KINDS[kind] for kind in allowed)
            raise DamagedError(f"{key} is {plain.get(key)!r:.40}, not {wanted}")


def _read_rest(descriptor: int, raw: bytes, limit: int) -> bytes:
    parts, length = [raw], len(raw)
    while length <= limit and (more := os.read(descriptor, 16 * _MOST_AT_ONCE)):
        parts.append(more)
        length += len(more)
    return b"".join(parts)


def _explain(path: str | Path, error: OSError | ValueError) -> str:
    if os.path.islink(path):  # noqa: PTH114 (a run's files are paths as text)
        return "it is a link, which is not followed"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _explain_limit(size: int, limit: int) -> str:
    return f"it has {size:,} bytes, and {limit:,} are allowed"
