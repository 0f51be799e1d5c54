"""Hashes of files that a run's numbers depend on and its config only names.

The source of a custom model (found without importing it) and a folder of pictures: a change of
either changes numbers, so its fingerprint is part of a run's identity.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path

from dropexp.config.picture_files import PARTS, list_pictures, resolve_root
from dropexp.errors import ConfigError

_INSTALLED = ("site-packages", "dist-packages")


def split_target(target: str) -> tuple[str, str]:
    """Split ``package.module:Class`` into module and class.

    Raises:
        ValueError: the target has another form.
    """
    module, separator, name = target.partition(":")
    parts = [*module.split("."), *name.split(".")]
    if not separator or not all(part.isidentifier() for part in parts):
        raise ValueError("it must name a class as package.module:Class")
    return module, name


def module_search_path() -> list[str]:
    """Return where modules are looked for: the current folder first, as with ``python -m``."""
    here = str(Path.cwd())
    return [here, *(folder for folder in sys.path if folder not in ("", here))]


def fingerprint_source(target: str) -> str:
    """Return 12 hex digits that change when the code of ``package.module:Class`` changes.

    They are the start of a SHA-256 of the module's file and of the files in the same folder tree
    that it imports, directly or not. Of an installed package it is the module's own file only.

    Raises:
        ConfigError: there is no such module, or it has no source file.
    """
    module, _ = split_target(target)
    content = hashlib.sha256()
    for name, file in sorted(_find_source_files(module, target).items()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        content.update(f"{name}\0{digest}\n".encode())
    return content.hexdigest()[:12]


def fingerprint_pictures(root: str | Path) -> str:
    """Return 12 hex digits that change when a picture is added, removed, renamed or changed.

    They are the start of a SHA-256 of the relative paths and bytes of all pictures in the folders
    train, val and test of root. Reading the bytes costs little beside decoding the pictures.

    Raises:
        DataError: root or its folder train is missing.
    """
    root = resolve_root(root)
    content = hashlib.sha256()
    for part in PARTS:
        for picture in list_pictures(root / part):
            name = picture.relative_to(root).as_posix()
            digest = hashlib.sha256(picture.read_bytes()).hexdigest()
            content.update(f"{name}\0{digest}\n".encode(errors="surrogateescape"))
    return content.hexdigest()[:12]


def _find_source_files(module: str, target: str) -> dict[str, Path]:
    """Return the files to hash, by module name."""
    home, file = _find_module(module, target)
    files = {module: file}
    if home is None:
        return files
    unread = [module]
    while unread:
        for name in _list_imports(unread.pop(), files):
            local = None if name in files else _find_file(home, name)
            if local is not None:
                files[name] = local
                unread.append(name)
    return files


def _find_module(module: str, target: str) -> tuple[Path | None, Path]:
    """Return the folder of the user's modules (None for an installed package), and the file.

    Parent packages are not imported; importlib.util.find_spec would import them.
    """
    folders = module_search_path()
    parts = module.split(".")
    home: Path | None = None
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = PathFinder.find_spec(name, folders)
        if spec is None:
            raise ConfigError(
                f"model.target={target}: there is no module {name} in {Path.cwd()} or among the "
                f"installed packages."
            )
        folders = list(spec.submodule_search_locations or ())
        if depth == 1 and (folders or spec.origin):
            home = Path(folders[0] if folders else str(spec.origin)).parent
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ConfigError(f"model.target={target}: {module} has no source file.")
    installed = home is None or any(part in _INSTALLED for part in home.parts)
    return None if installed else home, Path(spec.origin)


def _list_imports(module: str, files: dict[str, Path]) -> Iterator[str]:
    """Return names that may be modules: all that a file imports, and its parent packages."""
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


def _find_file(home: Path, module: str) -> Path | None:
    if not module:
        return None
    path = home.joinpath(*module.split("."))
    candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)
