"""Imports and calls code of the user's that a config names, and explains what is wrong with it.

Nothing here checks whether the code may be imported: see runs/trust.py.
"""

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch

from dropexp.config.fingerprints import find_user_files, module_search_path, split_target
from dropexp.config.named_files import fingerprint_code, list_option_files
from dropexp.data.torchvision_import import import_beside_torchvision
from dropexp.errors import ConfigError, DropexpError, suggest


def refuse_changed_source(
    section: str, target: str, fingerprint: str | None, options: Mapping[str, Any] | None = None
) -> None:
    """Refuse code that has changed since its fingerprint was taken.

    Args:
        section: of the config: ``model``, ``data`` or ``regulariser``.
        target: ``package.module:Name``.
        fingerprint: see config/named_files.py; None: any.
        options: whose files are part of the fingerprint.

    Raises:
        ConfigError: names both fingerprints.
    """
    if fingerprint is None:
        return
    found = fingerprint_code(target, section, options or {})
    if found == fingerprint:
        return
    named = ", ".join(str(path) for _, path in list_option_files(options or {}))
    and_files = f" with the files that its options name ({named})" if named else ""
    raise ConfigError(
        f"{section}.fingerprint={fingerprint} does not match the source of "
        f"{section}.target={target}{and_files}, whose fingerprint is {found}: it has changed since "
        f"the run was made. Restore it, or make a new run."
    )


@contextmanager
def running_user_code(complaint: str, hint: str = "") -> Iterator[None]:
    """Run code of the user's inside: explain its errors, and undo what it sets for the process.

    A script that is imported as a module may end the process, change its folder, or set torch's
    threads, default type or gradients, on which the numbers of a run depend.

    Args:
        complaint: what fails, for the error; a colon and the error follow.
        hint: is put after the error.

    Raises:
        ConfigError: the code raises an error, or exits.
    """
    folder = Path.cwd()
    threads, kind = torch.get_num_threads(), torch.get_default_dtype()
    is_recording = torch.is_grad_enabled()
    try:
        yield
    except DropexpError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{complaint}: {summarise_error(error)}.{hint}") from error
    finally:
        with suppress(OSError):  # the folder may be gone
            os.chdir(folder)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_default_dtype(kind)
        torch.set_grad_enabled(is_recording)


_imported: dict[str, str] = {}
"""Module of a user's → SHA-256 of its file as it was imported here."""


def import_target(target: str, named: str) -> Callable[..., Any]:
    """Return the class or function that a target names; its module is imported.

    In a process that runs on while files change, such as a notebook, changed modules are imported
    anew: a run's id has the fingerprint of the files as they are.

    Args:
        target: ``package.module:Name``; the current folder is searched first.
        named: what the user has typed, for errors.

    Raises:
        ConfigError: the import fails, the module has no such name, or it cannot be called.
    """
    module_name, name = split_target(target)
    sys.path[:] = module_search_path(module_name)
    importlib.invalidate_caches()
    _forget_changed_modules(target)
    with running_user_code(f"{named}: importing {module_name} fails"):
        attribute: Any = import_beside_torchvision(module_name)
    for part in name.split("."):
        with running_user_code(f"{named}: looking for {part} in {module_name} fails"):
            is_there = hasattr(attribute, part)
        if not is_there:
            own = [key for key, value in vars(attribute).items() if _is_candidate(value)]
            hint = suggest(part, own) if own else "It has no class and no function."
            if module_name == "timm":
                hint = (
                    "timm makes networks by their names: take timm:create_model with the option "
                    f"model_name={name}."
                )
            raise ConfigError(f"{named}: {module_name} has no {name}. {hint}")
        attribute = getattr(attribute, part)
    if not callable(attribute):
        raise ConfigError(f"{named} is neither a class nor a function.")
    return cast(Callable[..., Any], attribute)


def _forget_changed_modules(target: str) -> None:
    """Let the modules of a target be imported anew if one of their files has changed since."""
    own = __name__.partition(".")[0]  # which lies beside the user's code in a checkout
    files = {
        name: file
        for name, file in find_user_files(target).items()
        if name.partition(".")[0] != own
    }
    digests = {name: sha256(file.read_bytes()).hexdigest() for name, file in files.items()}
    loaded = {name: sys.modules[name] for name in files if name in sys.modules}
    changed = any(
        _imported[name] != digests[name] if name in _imported else _is_older(module, files[name])
        for name, module in loaded.items()
    )
    for name in loaded if changed else ():
        del sys.modules[name]
        # Python takes a compiled file for that of the source if second and size are the same.
        with suppress(OSError, TypeError, AttributeError):
            Path(loaded[name].__cached__).unlink()
    _imported.update(digests)


def _is_older(module: ModuleType, file: Path) -> bool:
    """Return whether a file has changed since somebody else imported its module.

    The compiled file, written at the import, has the date and the size of the source at that time.
    """
    compiled = getattr(module, "__cached__", None)
    if not compiled or sys.dont_write_bytecode:
        return False
    with suppress(OSError):
        header = Path(compiled).read_bytes()[:_BYTES_OF_HEADER]
        found = file.stat()
        own = [number & 0xFFFFFFFF for number in (int(found.st_mtime), found.st_size)]
        kind, *of_source = (
            int.from_bytes(header[at : at + 4], "little") for at in range(4, _BYTES_OF_HEADER, 4)
        )
        return kind == 0 and of_source != own
    return False


_BYTES_OF_HEADER = 16  # PEP 552: magic number, kind, date, size


def _is_candidate(value: object) -> bool:
    return inspect.isclass(value) or inspect.isfunction(value)


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
