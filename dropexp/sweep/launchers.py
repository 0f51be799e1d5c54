"""Hands jobs to Hydra's launchers: this machine's cores or devices, Ray, Slurm.

A launcher composes the config of every job, from words, with the config loader it is given. Here
the "words" of a job are a worker's request as JSON, and the loader puts it where the worker looks
for it: the runs' configs have been composed and checked before.
"""

import copy
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from hydra._internal.callbacks import Callbacks
from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf, open_dict

from dropexp.config.compose import compose_dict
from dropexp.config.hydra_session import start_hydra
from dropexp.config.overrides import parse_overrides
from dropexp.errors import ConfigError, suggest
from dropexp.sweep.worker import Outcome, Request, close, execute

DEFAULT = "hydra/launcher=joblib"
_PLUGIN_OF = {"ray": "hydra_ray_launcher", "slurm": "hydra_submitit_launcher"}
_SETTINGS = {
    # A run that is killed must not take others of its batch with it.
    "joblib": ("hydra.launcher.batch_size=1",),
    "ray": (
        # Not whatever cluster this machine was part of once.
        "hydra.launcher.ray.init.address=local",
        "+hydra.launcher.ray.init.include_dashboard=false",
        "+hydra.launcher.ray.init.log_to_driver=false",
        "+hydra.launcher.ray.init.logging_level=error",
        "+hydra.launcher.ray.remote.num_cpus=1",
        # What was lost is launched again by the sweep, which counts.
        "+hydra.launcher.ray.remote.max_retries=0",
    ),
}
"""What differs from the launchers' own defaults; the user's words come after and win."""


class Engine:
    """A launcher of Hydra's, ready to be handed jobs.

    Args:
        words: ``hydra/launcher=NAME`` and ``hydra.launcher.KEY=VALUE``; joblib if none.
        sweep_dir: absolute; what the launcher writes goes in there.
        runs_at_a_time: of joblib, where the words do not say.

    Raises:
        ConfigError: a word is wrong, or the launcher's package is not installed.
    """

    def __init__(self, words: Sequence[str], sweep_dir: Path, runs_at_a_time: int) -> None:
        self.name = check(words)
        overrides = parse_overrides([DEFAULT, *_SETTINGS.get(self.name, ()), *words])
        self._config = _with_job_node(compose_dict(overrides, with_hydra=True), sweep_dir)
        launcher = self._config.hydra.launcher
        if self.name == "joblib" and launcher.n_jobs == 0:
            raise ConfigError("hydra.launcher.n_jobs=0 is not allowed: it must be at least 1.")
        if self.name == "joblib" and launcher.n_jobs == -1:
            launcher.n_jobs = runs_at_a_time
        if self.name == "ray" and launcher.ray.init.address != "local":
            # The launcher would set it, and Ray refuses it for a cluster that is running.
            launcher.ray.init.object_store_memory = None

    @property
    def runs_at_a_time(self) -> int | None:
        """How many runs go on at the same time; None where the engine alone knows."""
        if self.name != "joblib":
            return None
        n_jobs = int(self._config.hydra.launcher.n_jobs)
        # joblib's convention: -2 is all cores but one.
        return n_jobs if n_jobs > 0 else max(1, cores() + 1 + n_jobs)

    @property
    def has_child_workers(self) -> bool:
        """Whether its workers are children of this process, and must end with it."""
        return self.name == "joblib"

    @property
    def batch_size(self) -> int | None:
        """How many jobs to hand over at a time; None: all of them.

        Ray gives back the first result when the last job of a launch has ended. Where workers
        do not share the store, that is when runs are written down.
        """
        if self.name != "ray":
            return None
        import ray

        cpus = ray.cluster_resources()["CPU"] if ray.is_initialized() else cores()
        return max(8, 4 * int(cpus))

    def launch(self, requests: Sequence[Request]) -> list[Outcome]:
        """Have every job done, and wait for the last; raises what the engine raises."""
        launcher = self._launcher()
        returned = launcher.launch([[request.to_json()] for request in requests], 0)
        return [cast(Outcome, job.return_value) for job in returned]

    def close(self) -> None:
        """Let go of the workers; what they are doing ends with them."""
        close()
        if self.name == "joblib":
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
        elif self.name == "ray":
            import ray

            ray.shutdown()

    def _launcher(self) -> Launcher:
        return Plugins.instance().instantiate_launcher(
            hydra_context=HydraContext(cast(ConfigLoader, _Requests()), Callbacks()),
            task_function=execute,
            config=self._config,
        )


class _Requests:
    """Stands for Hydra's config loader: a job's config is its request."""

    def load_sweep_config(self, master_config: DictConfig, words: Sequence[str]) -> DictConfig:
        config = copy.deepcopy(master_config)
        with open_dict(config):
            config.request = words[0]
        return config


def check(words: Sequence[str]) -> str:
    """Which launcher the words choose.

    Raises:
        ConfigError: it is not known, or its package is not installed.
    """
    name = [word.partition("=")[2] for word in [DEFAULT, *words] if "/launcher=" in word][-1]
    known = {*start_hydra().get_group_options("hydra/launcher"), *_PLUGIN_OF}
    if name not in known:
        raise ConfigError(f"hydra/launcher={name} is not known. {suggest(name, known)}")
    plugin = _PLUGIN_OF.get(name)
    if plugin is not None and importlib.util.find_spec(f"hydra_plugins.{plugin}") is None:
        raise ConfigError(
            f"hydra/launcher={name} needs a package that is not installed: "
            f'pip install "dropexp[{name}]".'
        )
    return name


def cores() -> int:
    """The processor cores that this process may use."""
    from joblib import cpu_count

    return int(cpu_count())


def _with_job_node(config: DictConfig, sweep_dir: Path) -> DictConfig:
    """The ``hydra`` node alone, with what a launcher asks of it filled in; Hydra stays silent."""
    silent = {"version": 1, "root": None, "disable_existing_loggers": False}
    config = OmegaConf.masked_copy(config, ["hydra"])
    OmegaConf.set_struct(config, False)
    config.hydra.hydra_logging = silent
    config.hydra.job_logging = silent
    config.hydra.sweep.dir = str(sweep_dir)
    config.hydra.sweep.subdir = "."
    config.hydra.job.id = config.hydra.job.num = 0
    config.hydra.runtime.output_dir = str(sweep_dir)
    config.hydra.runtime.cwd = str(Path.cwd())
    return config
