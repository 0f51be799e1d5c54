"""Configs of the runs of a sweep, of which only those that are asked for are made.

A sweep of a hundred thousand runs has a thousand settings. A setting is composed and checked once;
from that the id of each of its runs takes microseconds.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, overload

from pydantic import TypeAdapter, ValidationError

from dropexp.config.identity import SplitIdentity
from dropexp.config.run_config import RunConfig, make_run_id
from dropexp.config.section_base import SEED_LIMIT, Seed
from dropexp.config.setting import Fields, extract_setting
from dropexp.config.shared_config import SeededConfig, SharedConfig

_SEED = TypeAdapter[int](Seed)


class PlannedSetting:
    """The config of runs that differ in their seed only.

    Args:
        config: of one of them.
        data_follows: whether data.seed is the run's seed.
    """

    def __init__(self, config: RunConfig, *, data_follows: bool = False) -> None:
        self.config = config
        self.data_follows = data_follows
        self.epochs = config.train.epochs

    def make_run(self, seed: int) -> "PlannedRun":
        """Return its run with a seed, which must be allowed; see read_seed."""
        return PlannedRun(self, seed, self._identity.hash(seed))

    @cached_property
    def _identity(self) -> SplitIdentity:
        keys = ("seed", "data.seed") if self.data_follows else ("seed",)
        return SplitIdentity(self.config.to_identity(), keys)

    @cached_property
    def fields(self) -> SharedConfig:
        """The fields of the setting; see extract_setting."""
        follows = frozenset(["data.seed"] if self.data_follows else [])
        return SharedConfig(extract_setting(self.config.to_mapping()), follows)

    def make_config(self, seed: int) -> RunConfig:
        """Return the config of its run with a seed."""
        if seed == self.config.seed:
            return self.config
        changed: dict[str, Any] = {"seed": seed}
        if self.data_follows:
            changed["data"] = self.config.data.model_copy(update=changed)
        return self.config.model_copy(update=changed)

    def move(self, **place: Any) -> "PlannedSetting":
        """Return the setting with other values of fields that are not in the identity."""
        config = self.config.model_copy(update=place)
        return PlannedSetting(config, data_follows=self.data_follows)


class PlannedRun:
    """A run of a sweep.

    Attributes:
        setting: what it shares with the other seeds.
        seed: the run's seed.
        config_hash: as that of its config.
        run_id: as that of its config.
    """

    __slots__ = ("config_hash", "run_id", "seed", "setting")

    def __init__(self, setting: PlannedSetting, seed: int, config_hash: str) -> None:
        self.setting = setting
        self.seed = seed
        self.config_hash = config_hash
        regulariser = setting.config.regulariser
        self.run_id = make_run_id(regulariser.name, regulariser.p, seed, config_hash)

    @classmethod
    def of(cls, config: RunConfig) -> "PlannedRun":
        """Return the run of a config that was made already."""
        return cls(PlannedSetting(config), config.seed, config.config_hash)

    @property
    def fields(self) -> Fields:
        """The fields of its setting, with its data.seed."""
        return SeededConfig(self.setting.fields, self.seed)

    def make_config(self) -> RunConfig:
        """Return its config."""
        return self.setting.make_config(self.seed)


class PlannedConfigs(Sequence[RunConfig]):
    """The configs of runs, each made when it is asked for.

    Attributes:
        runs: the runs.
    """

    def __init__(self, runs: Iterable[PlannedRun]) -> None:
        self.runs = tuple(runs)

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.runs)

    @overload
    def __getitem__(self, index: int) -> RunConfig: ...

    @overload
    def __getitem__(self, index: slice) -> "PlannedConfigs": ...

    def __getitem__(self, index: int | slice) -> "RunConfig | PlannedConfigs":
        """Return a config, or those of some runs."""
        if isinstance(index, slice):
            return PlannedConfigs(self.runs[index])
        return self.runs[index].make_config()

    def __iter__(self) -> Iterator[RunConfig]:
        """Return an iterator over the configs."""
        return (run.make_config() for run in self.runs)

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has equal configs."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    @property
    def one_of_each_setting(self) -> list[RunConfig]:
        """A config of each setting."""
        return [setting.config for setting in dict.fromkeys(run.setting for run in self.runs)]

    def move(self, **place: Any) -> "PlannedConfigs":
        """Return the same runs with other values of fields that are not in the identity."""
        settings = dict.fromkeys(run.setting for run in self.runs)
        moved = {setting: setting.move(**place) for setting in settings}
        return PlannedConfigs(
            PlannedRun(moved[run.setting], run.seed, run.config_hash) for run in self.runs
        )


def plan_configs(configs: Sequence[RunConfig]) -> PlannedConfigs:
    """Return configs as those of planned runs; the same ones if they are that."""
    if isinstance(configs, PlannedConfigs):
        return configs
    return PlannedConfigs(map(PlannedRun.of, configs))


def read_seed(value: Any) -> int | None:
    """Return the seed that a value stands for, as in a config; None where none allows it."""
    if type(value) is int and 0 <= value < SEED_LIMIT:
        return value  # as below, which takes ten times as long
    try:
        return _SEED.validate_python(value)
    except ValidationError:
        return None
