"""Configs of runs that differ in their seed only, kept once for all of them.

A hundred thousand runs have a thousand settings. What is computed from a config is computed once
for each setting, and a run keeps its seed.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")


class SharedConfig:
    """The flat config of all runs that differ in their seed only; it is never modified.

    Attributes:
        fields: the config. What it has for the fields that follow the seed has no meaning.
        follows: the fields whose value is the run's seed: ``seed``, and ``data.seed`` by default.
        data_follows: whether ``data.seed`` is one of them.
    """

    __slots__ = ("_computed", "data_follows", "fields", "follows")

    def __init__(self, fields: Mapping[str, Any], follows: frozenset[str]) -> None:
        self.fields = fields
        self.follows = follows
        self.data_follows = "data.seed" in follows
        self._computed: dict[Callable[[SharedConfig], Any], Any] = {}

    def recall(self, compute: Callable[["SharedConfig"], Value]) -> Value:
        """Return what a function returns for this config; it is called once."""
        try:
            value: Value = self._computed[compute]
        except KeyError:
            value = self._computed[compute] = compute(self)
        return value


class SeededConfig(Mapping[str, Any]):
    """The flat config of one run: what it shares with other runs, and its seed."""

    __slots__ = ("seed", "shared")

    def __init__(self, shared: SharedConfig, seed: int) -> None:
        self.shared = shared
        self.seed = seed

    def __getitem__(self, key: str) -> Any:
        """Return the value of a field."""
        return self.seed if key in self.shared.follows else self.shared.fields[key]

    def __iter__(self) -> Iterator[str]:
        """Return an iterator over the names of the fields, in the order of config.yaml."""
        return iter(self.shared.fields)

    def __len__(self) -> int:
        """Return the number of fields."""
        return len(self.shared.fields)

    def __contains__(self, key: object) -> bool:
        """Return whether the config has a field."""
        return key in self.shared.fields

    def __repr__(self) -> str:
        """Return the config as that of a dict."""
        return f"{type(self).__name__}({dict(self)})"
