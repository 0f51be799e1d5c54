"""Imports and calls code of the user's that a config names, and explains what is wrong with it.

Nothing here checks whether the code may be imported: see runs/trust.py.
"""

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from dropexp.config.fingerprints import fingerprint_source, module_search_path, split_target
from dropexp.data.torchvision_import import import_beside_torchvision
from dropexp.errors import ConfigError, suggest


def refuse_changed_source(section: str, target: str, fingerprint: str | None) -> None:
    """Refuse code that has changed since its fingerprint was taken.

    Args:
        section: of the config: ``model``, ``data`` or ``regulariser``.
        target: ``package.module:Name``.
        fingerprint: see config/fingerprints.py; None: any.

    Raises:
        ConfigError: names both fingerprints.
    """
    if fingerprint is None or (found := fingerprint_source(target, section)) == fingerprint:
        return
    raise ConfigError(
        f"{section}.fingerprint={fingerprint} does not match the source of "
        f"{section}.target={target}, whose fingerprint is {found}: it has changed since the run "
        f"was made. Restore it, or make a new run."
    )


def import_target(target: str, named: str) -> Callable[..., Any]:
    """Return the class or function that a target names; its module is imported.

    Args:
        target: ``package.module:Name``; the current folder is searched first.
        named: what the user has typed, for errors.

    Raises:
        ConfigError: the import fails, the module has no such name, or it cannot be called.
    """
    module_name, name = split_target(target)
    sys.path[:] = module_search_path(module_name)
    importlib.invalidate_caches()
    try:
        attribute: Any = import_beside_torchvision(module_name)
    except Exception as error:
        raise ConfigError(
            f"{named}: importing {module_name} fails with {summarise_error(error)}."
        ) from error
    for part in name.split("."):
        if not hasattr(attribute, part):
            classes = [key for key, value in vars(attribute).items() if inspect.isclass(value)]
            hint = suggest(part, classes) if classes else "It has no class."
            raise ConfigError(f"{named}: {module_name} has no {name}. {hint}")
        attribute = getattr(attribute, part)
    if not callable(attribute):
        raise ConfigError(f"{named} is neither a class nor a function.")
    return cast(Callable[..., Any], attribute)


def collect_arguments(
    target: str,
    make: Callable[..., Any],
    offered: Mapping[str, Any],
    options: Mapping[str, Any],
    key: str = "model.options.{}",
) -> dict[str, Any]:
    """Return the offered arguments that a signature names, and all options.

    Args:
        target: for errors.
        make: the class or function.
        offered: arguments that need no option.
        options: further arguments.
        key: how the user types an option, for errors.

    Raises:
        ConfigError: an option is no argument, or an argument is missing.
    """
    parameters = inspect.signature(make).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for option in options:
        if option not in parameters and not takes_any:
            hint = suggest(option, parameters) if parameters else "It takes none."
            raise ConfigError(f"{key.format(option)} is not an argument of {target}. {hint}")
    taken = {name: value for name, value in offered.items() if name in parameters}
    arguments = {**taken, **options}
    for name, each in parameters.items():
        is_optional = each.default is not each.empty or each.kind in (
            each.VAR_KEYWORD,
            each.VAR_POSITIONAL,
        )
        if name not in arguments and not is_optional:
            given = f" These need no option: {', '.join(offered)}." if offered else ""
            prefix = "" if key.startswith("--") else "+"  # Hydra adds a key
            raise ConfigError(f"{target} needs {name}: give {prefix}{key.format(name)}=….{given}")
    return arguments


def summarise_error(error: BaseException) -> str:
    """Return an error's type, the first line of its message, and where in user code it arose."""
    message = (str(error).strip().splitlines() or ["without a message"])[0].rstrip(".!")
    frames = traceback.extract_tb(error.__traceback__)
    user_frames = [frame for frame in frames if not _is_library_file(Path(frame.filename))]
    where = f" ({user_frames[-1].filename}, line {user_frames[-1].lineno})" if user_frames else ""
    return f"{type(error).__name__}: {message}{where}"


def _is_library_file(file: Path) -> bool:
    if {"site-packages", "dist-packages"} & set(file.parts):
        return True
    dropexp_folder, standard_library = Path(__file__).parents[1], Path(traceback.__file__).parent
    return (
        file.is_relative_to(dropexp_folder)
        or file.is_relative_to(standard_library)
        or not file.is_file()
    )
