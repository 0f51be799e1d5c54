"""A composed config of which many variants are made, each with other values of the same keys.

OmegaConf takes 5 ms to set a value and resolve all interpolations of a config. Here the values are
set in plain mappings, and the interpolations that follow them are references such as ``${p}``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

_REFERENCE = re.compile(r"\$\{(\w+(?:\.\w+)*)\}")
_ENVIRONMENT = re.compile(r"\$\{oc\.env:[^${}]*\}")
_MISSING = "???"

Path = tuple[str, ...]


class ConfigTemplate:
    """Makes plain configs that differ in the values of some keys.

    Args:
        composed: the config with values for all keys; not resolved.
        keys: dotted, the keys whose values differ; each is in the config.
    """

    def __init__(self, composed: DictConfig, keys: Sequence[str]) -> None:
        self._composed = composed
        self._keys = keys
        self._paths: list[Path] = [tuple(key.split(".")) for key in keys]
        self._plain = cast(dict[str, Any], OmegaConf.to_container(composed))
        self._references: dict[Path, Path] = {}
        self._is_simple = self._read_interpolations()

    def fill(self, values: Sequence[Any]) -> dict[str, Any] | DictConfig:
        """Return the config with these values.

        Args:
            values: one for each key, in their order.

        Returns:
            Plain, with all interpolations resolved; or the composed config where it has
            interpolations that only OmegaConf resolves, changed in place.
        """
        if not self._is_plain(values):
            for key, value in zip(self._keys, values, strict=True):
                OmegaConf.update(self._composed, key, value)
            return self._composed
        filled = self._plain
        for path, value in zip(self._paths, values, strict=True):
            filled = _with_value(filled, path, value)
        for path, target in self._references.items():
            filled = _with_value(filled, path, _find(filled, target))
        return filled

    def find_followers(self, key: str, values: Sequence[Any]) -> set[str] | None:
        """Return the keys that follow a key's value; None where only OmegaConf can tell.

        Args:
            key: dotted.
            values: as for fill.
        """
        if not self._is_plain(values):
            return None
        target = tuple(key.split("."))
        return {".".join(path) for path, other in self._references.items() if other == target}

    def _is_plain(self, values: Sequence[Any]) -> bool:
        """Return whether the config with these values can be filled without OmegaConf."""
        return self._is_simple and not any(_has_text(value, ("${", _MISSING)) for value in values)

    def _read_interpolations(self) -> bool:
        """Resolve what no value changes; return whether the rest are references to plain values."""
        for path, value in list(_walk(self._plain, ())):
            if path in self._paths or not isinstance(value, str):
                if _has_text(value, ("${", _MISSING)) and path not in self._paths:
                    return False
            elif _ENVIRONMENT.fullmatch(value):
                resolved = OmegaConf.select(self._composed, ".".join(path))
                self._plain = _with_value(self._plain, path, resolved)
            elif reference := _REFERENCE.fullmatch(value):
                self._references[path] = tuple(reference[1].split("."))
            elif _has_text(value, ("${", _MISSING)):
                return False
        are_values = all(
            target not in self._references and _is_value(self._plain, target)
            for target in self._references.values()
        )
        return are_values and all(_is_value(self._plain, path) for path in self._paths)


def _walk(node: Mapping[Any, Any], prefix: Path) -> Iterator[tuple[Path, Any]]:
    for name, item in node.items():
        if isinstance(item, dict):
            yield from _walk(item, (*prefix, name))
        else:
            yield (*prefix, name), item


def _has_text(value: Any, texts: tuple[str, ...]) -> bool:
    return isinstance(value, str | list | dict) and any(text in str(value) for text in texts)


def _is_value(plain: Mapping[str, Any], path: Path) -> bool:
    """Return whether a path leads to a value, through mappings only."""
    node: Any = plain
    for name in path:
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return not isinstance(node, dict)


def _find(plain: Mapping[str, Any], path: Path) -> Any:
    node: Any = plain
    for name in path:
        node = node[name]
    return node


def _with_value(plain: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return a copy with another value at a path; what is beside the path is shared."""
    name, *rest = path
    return {**plain, name: _with_value(plain[name], tuple(rest), value) if rest else value}
