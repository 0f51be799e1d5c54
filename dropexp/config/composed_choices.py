"""conf/ composed with choices of groups, once a process; values are set in copies.

Hydra takes 0.1 s to compose. It chooses the files first and sets single values in the result, so
configs with the same choices begin as the same composed config.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from functools import lru_cache

from hydra import compose
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dropexp.config.added_files import search_added_files
from dropexp.config.groups import AddedFile, list_added_files
from dropexp.config.hydra_session import use_hydra
from dropexp.config.overrides import Override

_KEY_OF_A_RUN = re.compile(r"(?!hydra\b|study\b)\w+(\.\w+)*")
_MOST_KEPT = 1000  # composed configs of 50 kB


def compose_from_choices(overrides: Sequence[Override]) -> DictConfig | None:
    """Return what Hydra composes with these overrides, or None where only Hydra can tell.

    That is so where an override adds a key or where its key or value is not allowed.

    Args:
        overrides: of one value each, without ``study=NAME``.

    Raises:
        HydraException: a choice is not allowed.
        OmegaConfBaseException: likewise.
    """
    choices = [each for each in overrides if each.is_group_choice and each.value is not None]
    values = [each for each in overrides if not each.is_group_choice or each.value is None]
    if any(each.sign or not _KEY_OF_A_RUN.fullmatch(_find_key(each)) for each in values):
        return None
    texts = tuple(choice.hydra_text for choice in choices)
    config = deepcopy(_compose_choices(texts, list_added_files()))
    try:
        for override in values:
            OmegaConf.update(config, _find_key(override), override.value, merge=True)
    except OmegaConfBaseException:
        return None
    return config


@lru_cache(_MOST_KEPT)
def _compose_choices(texts: tuple[str, ...], added: tuple[AddedFile, ...]) -> DictConfig:
    """Return the composed config; do not modify it, as it is kept.

    Args:
        texts: the choices, as Hydra takes them.
        added: the files beside those of conf/, which the choices may name.
    """
    del added
    with use_hydra(), search_added_files() as search_path:
        return compose("config", overrides=[*texts, *search_path])


def _find_key(override: Override) -> str:
    """Return the dotted key that an override sets; that of ``group=null`` is the group's."""
    return override.key.replace("/", ".") if override.is_group_choice else override.key
