"""What to type in place of an override that is not one, or names what the configuration lacks.

The reference of all keys imports pydantic, and is imported where an error needs it.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from dropexp.config.added_files import list_choices
from dropexp.config.groups import list_groups, list_studies
from dropexp.errors import propose, suggest

_TORCHVISION_ARCHITECTURE = re.compile(
    r"alexnet|googlenet|(convnext|densenet|efficientnet|inception|maxvit|mnasnet|mobilenet|regnet"
    r"|resnet|resnext|shufflenet|squeezenet|swin|vgg|vit|wide_resnet)[0-9_]\w*"
)
"""How torchvision names its architectures; to import it for their list takes a second."""

_MOST_PROPOSED = 3


def hint_at_override(word: str) -> str:
    """Return what to write in place of a word without an equals sign.

    Args:
        word: as typed: a choice without its group, the name of a study, or a part of
            ``key = value``.
    """
    groups = list_groups()
    meant = [f"{group}={word}" for group, choices in groups.items() if word in choices]
    meant += [f"study={word}"] if word in list_studies() else []
    if 0 < len(meant) <= _MOST_PROPOSED:
        return propose(meant)
    return f"Write {word}=…, without spaces." if word in _list_keys() else "Write key=value."


def hint_at_option(option: str) -> str:
    """Return what to write in place of an unknown option.

    Args:
        option: as typed: ``--seed`` or ``--seed=3``.
    """
    name, separator, value = option.lstrip("-").partition("=")
    if separator:
        return f"write {name}={value}"
    keys = [key for key in _list_keys() if name in (key, key.rpartition(".")[2])]
    if name not in keys and len(set(keys)) != 1:
        return "--help lists its options"
    return f"write {name if name in keys else keys[0]}=…, without dashes"


def hint_at_choice(group: str, name: str) -> str:
    """Return a sentence on a choice that a group does not have.

    Args:
        group: the config group.
        name: as typed behind its equals sign.
    """
    if group == "model" and _TORCHVISION_ARCHITECTURE.fullmatch(name):
        return f"For torchvision's, write model=torchvision model.arch={name}."
    if ":" in name and "custom" in list_groups()[group]:
        return f"For code of your own, write {group}=custom {group}.target={name}."
    if group == "data" and Path(name).is_dir():
        return f"For a folder of pictures, write data=image_folder data.root={name}."
    return suggest(name, list_choices(group))


def hint_at_owners(key: str, typed: str) -> str:
    """Return a sentence on a key that other choices of its group have; empty where none has it.

    Args:
        key: a dotted key that the configuration lacks.
        typed: the override that sets it.
    """
    from dropexp.config.reference import describe_fields

    owners = [field for field in describe_fields() if field.group and field.key == key]
    if not owners:
        return ""
    group, choices = owners[0].group, [field.choice for field in owners]
    if len(choices) == 1:
        return f"It belongs to {group}={choices[0]}: write {group}={choices[0]} {typed}."
    return f"It belongs to {group}={_join(choices)}; choose one of these with it."


def _list_keys() -> list[str]:
    from dropexp.config.reference import describe_fields

    return [*list_groups(), *dict.fromkeys(field.key for field in describe_fields())]


def _join(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}"
