"""Fingerprints of the files that determine a run's numbers: a model's source, a picture folder.

A config names such files only by their path, so their fingerprint is part of a run's identity. The
source of a custom model is found without importing it.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from dropexp.config.paths import CONFIG_DIR_VARIABLE
from dropexp.config.picture_files import SPLIT_NAMES, list_pictures, resolve_root
from dropexp.errors import ConfigError, DataError

_INSTALL_FOLDERS = ("site-packages", "dist-packages")


def split_target(target: str) -> tuple[str, str]:
    """Return the module and the class of ``package.module:Class``.

    Raises:
        ValueError: the target has another form.
    """
    module, separator, name = target.partition(":")
    parts = [*module.split("."), *name.split(".")]
    if not separator or not all(part.isidentifier() for part in parts):
        raise ValueError("it must name a class as package.module:Class")
    return module, name


def module_search_path(module: str) -> list[str]:
    """Return the folders to import from: the current one first, as with ``python -m``.

    The folder of ``--config-dir`` is the last one, and only for a module that no other has, so
    that no file in it takes the place of an installed package.

    Args:
        module: to import.
    """
    here = str(Path.cwd())
    folders = [here, *(folder for folder in sys.path if folder not in ("", here))]
    config_dir = os.environ.get(CONFIG_DIR_VARIABLE)
    if config_dir and PathFinder.find_spec(module.partition(".")[0], folders) is None:
        folders.append(config_dir)
    return folders


def fingerprint_source(target: str, section: str = "model") -> str:
    """Return 12 hex digits that change when the code of ``package.module:Class`` changes.

    They are the start of a SHA-256 of the module's file and of all files in the same folder tree
    that it imports, directly or indirectly. Of an installed package only the module's own file is
    hashed.

    Args:
        target: the class, or a function.
        section: of the config that names it, for errors.

    Raises:
        ConfigError: there is no such module, or it has no source file.
    """
    module, _ = split_target(target)
    return _hash_files(sorted(_find_source_files(module, f"{section}.target={target}").items()))


def find_source_file(target: str) -> Path | None:
    """Return the file of the module of ``package.module:Class``; None where there is none.

    Nothing is imported.
    """
    try:
        _, file = _find_module(split_target(target)[0], target)
    except ConfigError:
        return None
    return file.resolve()


def find_user_files(target: str) -> dict[str, Path]:
    """Return module → file of the user's code that ``package.module:Class`` is made of.

    That are the module and what it imports from the same folder tree; nothing is imported here. Of
    an installed package, or where there is no such module, the mapping is empty.
    """
    module, _ = split_target(target)
    try:
        source_root, _ = _find_module(module, target)
        return {} if source_root is None else _find_source_files(module, target)
    except ConfigError:
        return {}


def fingerprint_pictures(root: str | Path) -> str:
    """Return 12 hex digits that change when a picture is added, removed, renamed or changed.

    They are the start of a SHA-256 of the relative paths and bytes of all pictures in the folders
    train, val and test of root. Reading the bytes costs little beside decoding the pictures.

    Raises:
        DataError: root or its folder train is missing, or a picture cannot be read; and as
            list_pictures does.
    """
    root = resolve_root(root)
    pictures = (picture for name in SPLIT_NAMES for picture in list_pictures(root / name))
    try:
        return _hash_files((each.relative_to(root).as_posix(), each) for each in pictures)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from None


def _hash_files(files: Iterable[tuple[str, Path]]) -> str:
    """Return the first 12 hex digits of a SHA-256 of names and contents, in the order given."""
    content = hashlib.sha256()
    for name, file in files:
        with file.open("rb") as content_of_file:
            digest = hashlib.file_digest(content_of_file, "sha256").hexdigest()
        # surrogateescape: file names need not be valid UTF-8.
        content.update(f"{name}\0{digest}\n".encode(errors="surrogateescape"))
    return content.hexdigest()[:12]


def _find_source_files(module: str, named: str) -> dict[str, Path]:
    """Return the files to hash, by module name; ``named`` is the override that names the code."""
    source_root, file = _find_module(module, named)
    files = {module: file}
    if source_root is None:
        return files
    unread = [module]
    while unread:
        for name in _list_imports(unread.pop(), files):
            imported = None if name in files else _find_file(source_root, name)
            if imported is not None:
                files[name] = imported
                unread.append(name)
    return files


def _find_module(module: str, named: str) -> tuple[Path | None, Path]:
    """Return the folder of the user's modules (None for an installed package), and the file.

    Parent packages are not imported; importlib.util.find_spec would import them.
    """
    folders = module_search_path(module)
    parts = module.split(".")
    source_root: Path | None = None
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = PathFinder.find_spec(name, folders)
        if spec is None:
            raise ConfigError(
                f"{named} is not found: there is no module {name} in {Path.cwd()} or "
                f"among the installed packages. Write it as package.module:Class."
            )
        folders = list(spec.submodule_search_locations or ())
        if depth == 1 and (folders or spec.origin):
            source_root = Path(folders[0] if folders else str(spec.origin)).parent
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ConfigError(
            f"{named} is not allowed: {module} has no Python source file, which its "
            f"fingerprint needs."
        )
    is_installed = source_root is None or not set(source_root.parts).isdisjoint(_INSTALL_FOLDERS)
    return None if is_installed else source_root, Path(spec.origin)


def _list_imports(module: str, files: dict[str, Path]) -> Iterator[str]:
    """Yield names that may be modules: the imports of a file, and its parent packages."""
    file = files[module]
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:  # reported when the module is imported
        return
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    yield from (".".join(package[:end]) for end in range(1, len(package) + 1))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _find_file(source_root: Path, module: str) -> Path | None:
    if not module:
        return None
    path = source_root.joinpath(*module.split("."))
    candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)
