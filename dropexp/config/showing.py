"""What Hydra's ``--cfg`` and ``--info`` print: the composed config, and how it is composed."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from dropexp.config.added_files import search_added_files
from dropexp.config.combinations import find_combination
from dropexp.config.compose import compose_dict, split_study, to_yaml
from dropexp.config.hydra_session import use_hydra
from dropexp.config.overrides import Override
from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError


def show_run(config: RunConfig) -> str:
    """Return the YAML text of a run's config, with its id in a comment."""
    return f"# run id: {config.run_id}\n{to_yaml(config)}"


def show_composed(overrides: Sequence[Override], part: str, *, resolve: bool) -> str:
    """Return what Hydra composes as YAML text.

    Overrides with several values are named in a comment; their keys have the default.

    Args:
        overrides: of ``dropexp train`` or ``dropexp sweep``.
        part: job, hydra or all.
        resolve: whether interpolations such as ``${p}`` are replaced by their values.

    Raises:
        ConfigError: an override is not allowed, or an interpolation cannot be resolved.
    """
    single, swept = _divide(overrides)
    config = _compose(single, part)
    if resolve:
        config = _resolve(config)
    comment = f"# several values: {' '.join(each.text for each in swept)}\n" if swept else ""
    return comment + OmegaConf.to_yaml(config)


def show_info(overrides: Sequence[Override], info: str) -> str:
    """Return what Hydra says on how it composes the config.

    Args:
        overrides: as for show_composed.
        info: all, config, defaults, defaults-tree, plugins or searchpath.

    Raises:
        ConfigError: an override is not allowed.
    """
    single, _ = _divide(overrides)
    if find_combination(single):
        raise ConfigError(
            "--info describes files of conf/, and a combination of regularisers is composed from "
            "several; give one of them."
        )
    compose_dict(single)  # refuses what is wrong in the words of the other commands
    printed = StringIO()
    texts = [each.hydra_text for each in single]
    with (
        use_hydra() as hydra,
        _keep_logging(),
        redirect_stdout(printed),
        search_added_files() as search_path,
    ):
        hydra.show_info(info, "config", [*texts, *search_path], run_mode=RunMode.RUN)
    return f"{printed.getvalue().strip()}\n"


def _divide(overrides: Sequence[Override]) -> tuple[list[Override], list[Override]]:
    """Return the overrides of one value, without the study and the launcher, and the others."""
    others, study = split_study(overrides)
    del study
    about_config = [each for each in others if not each.is_about_the_launcher]
    single = [each for each in about_config if not each.is_sweep]
    return single, [each for each in about_config if each.is_sweep]


def _compose(overrides: Sequence[Override], part: str) -> DictConfig:
    job = compose_dict(overrides)
    if part == "job":
        return job
    # Of a combination Hydra composes parts; its own settings follow from no regulariser.
    others = [each for each in overrides if each.path[0] != "regulariser"]
    hydra = compose_dict(others, with_hydra=True)
    HydraConfig.instance().set_config(hydra)
    settings = hydra.hydra.copy()
    with open_dict(job):
        job["hydra"] = settings
    if part == "all":
        return job
    return _with_hydra_only(job)


def _with_hydra_only(config: DictConfig) -> DictConfig:
    """Return a config with its hydra node only, whose interpolations need no other node."""
    for key in [key for key in config if key != "hydra"]:
        with open_dict(config):
            del config[key]
    return config


def _resolve(config: DictConfig) -> DictConfig:
    OmegaConf.set_readonly(config, False)
    if "hydra" in config:
        OmegaConf.set_readonly(config.hydra, None)
    try:
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the config cannot be resolved: {str(error).splitlines()[0]}") from None
    return config


@contextmanager
def _keep_logging() -> Iterator[None]:
    """Put back the handlers of the root logger: Hydra's --info replaces them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
