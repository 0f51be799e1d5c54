"""Where a sweep's runs are trained: on this machine's cores or devices, by Ray, by Slurm.

``hydra/launcher`` chooses; conf/hydra/launcher/dropexp/ lists the settings of each.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import yaml
from omegaconf import DictConfig, OmegaConf

from dropexp.config.compose import compose_dict
from dropexp.config.groups import find_conf_dir
from dropexp.config.overrides import Override, parse_overrides
from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError, suggest
from dropexp.sweep.jobs import Job, Outcome
from dropexp.sweep.local_launcher import LocalLauncher
from dropexp.sweep.run_process import execute
from dropexp.sweep.slots import count_slots, list_cuda_devices
from dropexp.training.threads import choose_threads, count_cores

GROUP = "hydra/launcher"
_CHOICE = "dropexp"
"""A folder of the group: Hydra's own plugins, if installed, hold other settings by these names."""

MOST_RUNS_AT_A_TIME = 1024
"""Processes on one machine."""

_MOST_KEPT = 100  # composed settings

_FOLDER = f"{GROUP}/{_CHOICE}"
_SUBMITIT_SETTINGS = (
    "name", "nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node", "mem_gb", "timeout_min",
    "stderr_to_stdout",
)  # fmt: skip
"""Settings that submitit has for every cluster; the others are Slurm's own."""


class LauncherName(StrEnum):
    """The choices of hydra/launcher."""

    JOBLIB = "joblib"  # this machine, several runs at a time; the default
    BASIC = "basic"  # this machine, one run at a time
    RAY = "ray"
    SLURM = "slurm"

    @property
    def is_here(self) -> bool:
        """Whether it trains on this machine, with its data and devices."""
        return self in (LauncherName.JOBLIB, LauncherName.BASIC)


_PACKAGES = {LauncherName.RAY: "ray", LauncherName.SLURM: "submitit"}


class Launcher(Protocol):
    """Trains the runs of jobs, each in a process of its own."""

    @property
    def name(self) -> str:
        """The choice of hydra/launcher."""

    @property
    def runs_at_a_time(self) -> int | None:
        """How many runs it trains at the same time; None where another system decides."""

    def launch(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Train the runs, the first ones first, and yield each outcome once it is known.

        A job that is stopped before it starts does not start.

        Raises:
            Exception: outcomes were lost, or the launcher cannot work; of any type.
        """

    def stop(self) -> None:
        """Start no more runs on this machine; the stop file tells those elsewhere."""

    def close(self) -> None:
        """End the runs at once; each loses what it has trained since its last checkpoint."""


def choose_launcher(overrides: Sequence[Override]) -> LauncherName:
    """Return the launcher that the overrides choose; joblib if they choose none.

    Raises:
        ConfigError: it is not known, or its package is not installed.
    """
    chosen = [str(override.values[-1]) for override in overrides if override.key == GROUP]
    choice = chosen[-1] if chosen else LauncherName.JOBLIB
    if choice not in set(LauncherName):
        raise ConfigError(f"{GROUP}={choice} is not known. {suggest(choice, LauncherName)}")
    name = LauncherName(choice)
    package = _PACKAGES.get(name)
    if package is not None and importlib.util.find_spec(package) is None:
        raise ConfigError(
            f'{GROUP}={name} needs a package that is not installed: pip install "dropexp[{name}]".'
        )
    return name


def check_launcher(overrides: Sequence[Override]) -> None:
    """Check the launcher and its settings before any run is composed.

    Raises:
        ConfigError: see build_launcher.
    """
    if not overrides:
        return
    name = choose_launcher(overrides)
    settings = _read_settings(name, overrides)
    if name is LauncherName.JOBLIB:
        _check_n_jobs(settings["n_jobs"])


def build_launcher(
    overrides: Sequence[Override], sweep_dir: Path, configs: Sequence[RunConfig]
) -> Launcher:
    """Build the launcher that the overrides choose and set.

    Args:
        overrides: ``hydra/launcher=NAME`` and ``hydra.launcher.KEY=VALUE``.
        sweep_dir: absolute; the launcher's own files go in there.
        configs: of the runs to launch.

    Raises:
        ConfigError: a setting is wrong, or the launcher's package is not installed.
    """
    name = choose_launcher(overrides)
    settings = _read_settings(name, overrides)
    if name is LauncherName.RAY:
        return RayLauncher(**settings["ray"])
    if name is LauncherName.SLURM:
        return SlurmLauncher(settings, sweep_dir)
    is_basic = name is LauncherName.BASIC
    at_a_time = 1 if is_basic else _count_runs_at_a_time(_check_n_jobs(settings["n_jobs"]), configs)
    return LocalLauncher(name, at_a_time, list_cuda_devices(configs))


def _read_settings(name: LauncherName, overrides: Sequence[Override]) -> dict[str, Any]:
    """Compose the launcher's file with the overrides; an unknown or repeated setting is refused."""
    file = find_conf_dir() / _FOLDER / f"{name}.yaml"
    known = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    settings = [override for override in overrides if override.key != GROUP]
    for override in settings:
        setting = override.path[2]
        if setting not in known:
            it_has = f"it has {', '.join(known)}" if known else "it has none"
            raise ConfigError(
                f"{override.text} is not allowed: {GROUP}={name} has no setting {setting!r}; "
                f"{it_has}."
            )
        if override.is_sweep:
            raise ConfigError(f"{override.text} lists several values; give one.")
    texts = (f"{GROUP}={_CHOICE}/{name}", *(setting.text for setting in settings))
    plain = OmegaConf.to_container(_compose_settings(texts), resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items()}


@lru_cache(_MOST_KEPT)
def _compose_settings(texts: tuple[str, ...]) -> DictConfig:
    """Return the launcher's node; do not modify it. Hydra takes 0.1 s, and sweeps ask twice.

    Args:
        texts: the overrides about the launcher.
    """
    launcher = compose_dict(parse_overrides(texts), with_hydra=True).hydra.launcher
    assert isinstance(launcher, DictConfig)
    return launcher


def _check_n_jobs(n_jobs: Any) -> int:
    """Return the setting n_jobs, after checking that it is a number of runs at a time."""
    cores = count_cores()
    is_whole = isinstance(n_jobs, int) and not isinstance(n_jobs, bool) and n_jobs != 0
    if not is_whole or n_jobs > MOST_RUNS_AT_A_TIME:
        raise ConfigError(
            f"hydra.launcher.n_jobs={n_jobs} is not allowed: it must be a whole number from 1 to "
            f"{MOST_RUNS_AT_A_TIME:,}, or -1 for all cores or devices, -2 for all cores but one."
        )
    if n_jobs < min(-cores, -1):
        raise ConfigError(
            f"hydra.launcher.n_jobs={n_jobs} is not allowed: it leaves no core of this machine's "
            f"{cores}; write at least {-cores}, or the number of runs at a time."
        )
    return int(n_jobs)


def _count_runs_at_a_time(n_jobs: int, configs: Sequence[RunConfig]) -> int:
    if n_jobs == -1:
        return count_slots(configs)
    if n_jobs > 0:
        return n_jobs
    return max(1, (count_cores() + 1 + n_jobs) // max(map(choose_threads, configs), default=1))


class RayLauncher:
    """Trains runs on the machines of a Ray cluster.

    Args:
        init: arguments of ``ray.init()``.
        remote: arguments of ``ray.remote()``.
    """

    name = LauncherName.RAY
    runs_at_a_time = None

    def __init__(self, init: Mapping[str, Any], remote: Mapping[str, Any]) -> None:
        self._init = dict(init)
        self._remote = dict(remote)
        if self._init.get("address") != "local":
            # Ray refuses it for a cluster that is running.
            self._init.pop("object_store_memory", None)

    def launch(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Send the runs to the cluster, and wait for them."""
        import ray

        if not ray.is_initialized():
            ray.init(**self._init)
        task = ray.remote(**self._remote)(execute) if self._remote else ray.remote(execute)
        submitted = [task.remote(job) for job in jobs]

        def wait_for_each() -> Iterator[Any]:
            left = submitted
            while left:
                done, left = ray.wait(left)
                yield from done

        # Fails where Ray has lost a worker, or could not start one.
        yield from _collect(wait_for_each(), ray.get)

    def stop(self) -> None:
        """Leave it to the stop file."""

    def close(self) -> None:
        """End Ray's workers, or leave the cluster, which ends what they do for this sweep."""
        import ray

        ray.shutdown()


class SlurmLauncher:
    """Trains runs on a Slurm cluster: an array job, each run a task of it.

    Args:
        settings: of conf/hydra/launcher/dropexp/slurm.yaml.
        sweep_dir: absolute; scripts and logs go in there, unless a setting says otherwise.
    """

    name = LauncherName.SLURM
    runs_at_a_time = None

    def __init__(self, settings: Mapping[str, Any], sweep_dir: Path) -> None:
        self._settings = dict(settings)
        self._folder = self._settings.pop("submitit_folder") or str(sweep_dir / "slurm" / "%j")
        self._most_timeouts = self._settings.pop("max_num_timeout")
        self._submitted: list[Any] = []

    def launch(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Submit the runs, and wait for them."""
        import submitit

        executor = submitit.AutoExecutor(
            folder=self._folder, cluster="slurm", slurm_max_num_timeout=self._most_timeouts
        )
        executor.update_parameters(
            **{
                key if key in _SUBMITIT_SETTINGS else f"slurm_{key}": value
                for key, value in self._settings.items()
            }
        )
        self._submitted = executor.map_array(SlurmTask(), jobs)
        yield from _collect(self._submitted, lambda submitted: submitted.results()[0])

    def stop(self) -> None:
        """Leave it to the stop file."""

    def close(self) -> None:
        """Cancel the tasks that have not ended."""
        for submitted in self._submitted:
            if not submitted.done():
                with suppress(OSError):
                    submitted.cancel(check=False)


class SlurmTask:
    """A task of the array job: it trains one run."""

    def __call__(self, job: Job) -> Outcome:
        """Train the run."""
        return execute(job)

    def checkpoint(self, job: Job) -> Any:
        """Return what submitit submits again, as the time is up: the run resumes."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, job)


def _collect(submitted: Iterable[Any], get: Callable[[Any], Outcome]) -> Iterator[Outcome]:
    """Yield the outcomes of submitted jobs; at the end, raise the last error of those lost."""
    lost: Exception | None = None
    for each in submitted:
        try:
            outcome = get(each)
        except Exception as error:  # the type depends on how the job was lost
            lost = error
        else:
            yield outcome
    if lost is not None:
        raise lost
