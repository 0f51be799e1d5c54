"""The settings that are compared, each with its runs. Imports no torch."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from dropexp.compare.compared_runs import NO_RUNS, ComparedRuns
from dropexp.config.classics import describe_classic
from dropexp.config.identity import LOOP_KEY, OWN_LOOP
from dropexp.config.setting import P_KEY, describe_regulariser, is_p_key, name_regulariser


@dataclass(frozen=True)
class Setting:
    """All runs that differ in their seed only.

    Attributes:
        name: its name in tables.
        fields: the scientific fields, flat and without the seed: ``{"model.width": 64, …}``.
        completed: its completed runs, by seed.
        diverged: its diverged runs, by seed.
        missing_seeds: the seeds that it lacks and other settings with the same data and model
            have.
        unproven_seeds: the seeds of runs whose audit failed or was skipped.
        options: the regulariser's own fields, without p, in which it differs from other settings
            with the same regulariser.
        classics: the classics that are on here and off in other settings.
        own_name: what another program calls it; empty for a setting of dropexp's runs, and then
            the fields say which regulariser it has.
    """

    name: str
    fields: Mapping[str, Any]
    completed: ComparedRuns
    diverged: ComparedRuns = NO_RUNS
    missing_seeds: tuple[int, ...] = ()
    unproven_seeds: tuple[int, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    classics: tuple[str, ...] = ()
    own_name: str = ""

    @property
    def method(self) -> str:
        """The regulariser, or without one the classics; without strength."""
        if self.own_name:
            return self.own_name
        return (
            name_regulariser(self.fields)
            if self.has_regulariser
            else "+".join(self.classics) or "none"
        )

    @property
    def kind(self) -> str:
        """The regulariser without p, its options and the classics: ``dropconnect mask=batch``."""
        if self.own_name:
            return self.own_name
        names = [name_regulariser(self.fields)] if self.has_regulariser else []
        return " ".join([*names, *self._options(self.options), *self._classics()]) or "none"

    @property
    def label(self) -> str:
        """The regulariser with p, its options and the classics: no other field."""
        if self.own_name:
            return self.own_name
        names = [describe_regulariser(self.fields)] if self.has_regulariser else []
        options = [key for key in self.options if not is_p_key(key)]
        return " ".join([*names, *self._options(options), *self._classics()]) or "none"

    def _options(self, keys: Collection[str]) -> list[str]:
        return [f"{key.partition('.')[2]}={self.options[key]}" for key in keys]

    def _classics(self) -> list[str]:
        return [describe_classic(name, self.fields) for name in self.classics]

    def without_classics(self, classics: Collection[str]) -> "Setting":
        """Return the setting without these classics in its kind and label."""
        return replace(self, classics=tuple(n for n in self.classics if n not in classics))

    @property
    def runs(self) -> ComparedRuns:
        """All its runs, the completed ones first."""
        if not self.diverged:
            return self.completed
        return ComparedRuns.join([self.completed, self.diverged])

    @property
    def has_regulariser(self) -> bool:
        """Whether it has a regulariser, and so a p; classics do not count."""
        return not self.own_name and self.regulariser != "none"

    @property
    def is_of_own_loop(self) -> bool:
        """Whether a loop of the user's own trained its runs, which dropexp only recorded."""
        return self.fields.get(LOOP_KEY) == OWN_LOOP

    @property
    def is_plain(self) -> bool:
        """Whether it has neither a regulariser nor a classic that other settings have off."""
        return not (self.has_regulariser or self.classics or self.own_name)

    @property
    def regulariser(self) -> str:
        """The name of its regulariser; ``none`` is the plain network."""
        return str(self.fields["regulariser.name"])

    @property
    def p(self) -> float:
        """The drop probability."""
        return float(self.fields[P_KEY])

    @property
    def diverged_seeds(self) -> tuple[int, ...]:
        """The seeds with which training diverged."""
        return tuple(self.diverged.seeds)
