"""Hydra, started on conf/ once a process, beside the Hydra that the user's own program may use."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from hydra import initialize_config_dir
from hydra._internal.hydra import Hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra

from dropexp.config.groups import find_conf_dir


def find_config_loader() -> ConfigLoader:
    """Return the config loader of Hydra on conf/."""
    return _start_hydra().config_loader


@contextmanager
def use_hydra() -> Iterator[Hydra]:
    """Make Hydra on conf/ that of ``hydra.compose`` inside; afterwards it is the one of before.

    There is one of a process, and the program that calls dropexp may be one of Hydra's.
    """
    own, instance = _start_hydra(), GlobalHydra.instance()
    before, instance.hydra = instance.hydra, own
    try:
        yield own
    finally:
        instance.hydra = before


@cache
def _start_hydra() -> Hydra:
    instance = GlobalHydra.instance()
    before = instance.hydra
    instance.clear()
    try:
        initialize_config_dir(
            str(find_conf_dir().resolve()), job_name="dropexp", version_base="1.3"
        )
        own = instance.hydra
    finally:
        instance.hydra = before
    assert own is not None
    return own
