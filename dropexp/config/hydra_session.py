"""Hydra, started on conf/ once a process."""

from functools import cache

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra

from dropexp.config.groups import find_conf_dir


@cache
def start_hydra() -> ConfigLoader:
    """Initialise Hydra with conf/ and return its config loader."""
    GlobalHydra.instance().clear()
    initialize_config_dir(str(find_conf_dir().resolve()), job_name="dropexp", version_base="1.3")
    return GlobalHydra.instance().config_loader()
