"""Fingerprints of the files that determine a run's numbers: a model's source, a picture folder.

A config names such files only by their path, so their fingerprint is part of a run's identity. The
source of a custom model is found without importing it.
"""

import ast
import hashlib
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
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
        example = _guess_target(target)
        raise ValueError(f"it must name a class as package.module:Class{example}")
    return module, name


def _guess_target(text: str) -> str:
    """Return what a path or a dotted name of a class is meant as; empty where that is unclear."""
    parts = text.replace(".py", "").replace("/", ".").replace(":", ".").strip(".").split(".")
    names_class = len(parts) > 1 and (parts[-1][:1].isupper() or ":" in text)
    if not names_class or not all(part.isidentifier() for part in parts):
        return ""
    return f", such as {'.'.join(parts[:-1])}:{parts[-1]}"


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
    that it imports, directly or indirectly. Of an installed package all Python files are hashed,
    so that an upgrade makes another run; what it imports of other packages is not.

    Args:
        target: the class, or a function.
        section: of the config that names it, for errors.

    Raises:
        ConfigError: there is no such module, or it has no source file.
    """
    module, _ = split_target(target)
    found = _find_module(module, f"{section}.target={target}")
    files = _list_package_files(found) if found.is_installed else _list_user_files(module, found)
    return _hash_files(sorted(files.items()))


def find_source_file(target: str) -> Path | None:
    """Return the file of the module of ``package.module:Class``; None where there is none.

    Nothing is imported.
    """
    try:
        return _find_module(split_target(target)[0], target).file.resolve()
    except ConfigError:
        return None


def find_user_files(target: str) -> dict[str, Path]:
    """Return module → file of the user's code that ``package.module:Class`` is made of.

    That are the module and what it imports from the same folder tree; nothing is imported here. Of
    an installed package, or where there is no such module, the mapping is empty.
    """
    module, _ = split_target(target)
    try:
        found = _find_module(module, target)
    except ConfigError:
        return {}
    return {} if found.is_installed else _list_user_files(module, found)


def fingerprint_pictures(root: str | Path) -> str:
    """Return 12 hex digits that change when a picture is added, removed, renamed or changed.

    They are the start of a SHA-256 of the relative paths and bytes of all pictures in the folders
    train, val and test of root. A process reads them again only if a picture has changed: a run
    asks twice, when its config is made and when it loads its data.

    Raises:
        DataError: root or its folder train is missing, or a picture cannot be read; and as
            list_pictures does.
    """
    root = resolve_root(root)
    pictures = [picture for name in SPLIT_NAMES for picture in list_pictures(root / name)]
    try:
        state = _hash_states(pictures)
        if state not in _of_pictures:
            _of_pictures[state] = _hash_files(
                (each.relative_to(root).as_posix(), each) for each in pictures
            )
        return _of_pictures[state]
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from None


_of_pictures: dict[bytes, str] = {}
"""State of the files of a folder of pictures → their fingerprint."""


def _hash_states(files: Iterable[Path]) -> bytes:
    """Return a digest that changes when a file is added, removed, renamed, replaced or written."""
    states = hashlib.sha256()
    for file in files:
        found = file.stat()
        # Copying tools can set the date of the content back; that of the last change tells.
        numbers = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        states.update(f"{file.absolute()}\0{numbers}\n".encode(errors="surrogateescape"))
    return states.digest()


def _hash_files(files: Iterable[tuple[str, Path]]) -> str:
    """Return the first 12 hex digits of a SHA-256 of names and contents, in the order given."""
    content = hashlib.sha256()
    for name, file in files:
        with file.open("rb") as content_of_file:
            digest = hashlib.file_digest(content_of_file, "sha256").hexdigest()
        # surrogateescape: file names need not be valid UTF-8.
        content.update(f"{name}\0{digest}\n".encode(errors="surrogateescape"))
    return content.hexdigest()[:12]


@dataclass(frozen=True)
class _Module:
    """Where a module of a target is.

    Attributes:
        file: of the module.
        root: the folder that its top package is in.
        package: the folder of its outermost package that has code; None of a single module.
        is_installed: whether it is part of an installed package, not of the user's code.
    """

    file: Path
    root: Path
    package: Path | None
    is_installed: bool


def _list_user_files(module: str, found: _Module) -> dict[str, Path]:
    """Return module → file of a module and of what it imports from its folder tree."""
    files = {module: found.file}
    unread = [module]
    while unread:
        for name in _list_imports(unread.pop(), files):
            imported = None if name in files else _find_file(found.root, name)
            if imported is not None:
                files[name] = imported
                unread.append(name)
    return files


def _list_package_files(found: _Module) -> dict[str, Path]:
    """Return path → file of an installed package; a module without a package is alone.

    Which of them an import reaches is not asked: packages import by names that are computed, and
    parsing all of timm takes 100 times as long as hashing it.
    """
    if found.package is None:
        return {found.file.name: found.file}
    files = (each for each in found.package.rglob("*.py") if each.is_file())
    return {each.relative_to(found.package).as_posix(): each for each in files}


def _find_module(module: str, named: str) -> _Module:
    """Return where a module is; ``named`` is the override that names the code.

    Parent packages are not imported; importlib.util.find_spec of a submodule would import them.

    Raises:
        ConfigError: there is no such module, or it has no source file.
    """
    folders = module_search_path(module)
    parts = module.split(".")
    root = package = None
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = PathFinder.find_spec(name, folders)
        if spec is None and depth == 1:
            spec = _find_by_other_finders(name)
        if spec is None:
            raise ConfigError(
                f"{named} is not found: there is no module {name} in {Path.cwd()} or "
                f"among the installed packages. Write it as package.module:Class."
            )
        folders = list(spec.submodule_search_locations or ())
        if depth == 1 and (folders or spec.origin):
            root = Path(folders[0] if folders else str(spec.origin)).parent
        if package is None and folders and spec.origin:
            package = Path(spec.origin).parent
    if root is None or spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ConfigError(
            f"{named} is not allowed: {module} has no Python source file, which its "
            f"fingerprint needs."
        )
    return _Module(Path(spec.origin), root, package, _is_installed(root, parts[0]))


def _find_by_other_finders(name: str) -> ModuleSpec | None:
    """Return the spec of a top package that is on no search path, as of an editable install."""
    try:
        return find_spec(name)
    except ValueError:  # it is imported, and has no spec
        return None


def _is_installed(root: Path, name: str) -> bool:
    """Return whether a top package is installed, also by ``pip install --target``.

    pip's lists of files are read, as the user's own code may lie beside what pip has installed.
    """
    if not set(root.parts).isdisjoint(_INSTALL_FOLDERS):
        return True
    of_package = re.compile(rf"^{re.escape(name)}(/|\.py,)", re.MULTILINE)
    try:
        return any(
            of_package.search(each.read_text(errors="replace"))
            for each in root.glob("*.dist-info/RECORD")
        )
    except OSError:
        return False


def _list_imports(module: str, files: dict[str, Path]) -> tuple[str, ...]:
    """Return names that may be modules: the imports of a file, and its parent packages."""
    file = files[module]
    parts = module.split(".")
    package = parts if file.name == "__init__.py" else parts[:-1]
    return _parse_imports(file.read_bytes(), tuple(package))


# A command asks several times about the same code, and parsing takes nearly all of the time: 0.6 s
# for 365 modules. The content is the key, so that an edited file is parsed again.
@lru_cache(maxsize=4096)
def _parse_imports(source: bytes, package: tuple[str, ...]) -> tuple[str, ...]:
    """Return what ``_list_imports`` does, of the source of a module in a package."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # reported when the module is imported
        return ()
    names = [".".join(package[:end]) for end in range(1, len(package) + 1)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*base, *([node.module] if node.module else [])])
            names.extend((name, *(f"{name}.{alias.name}" for alias in node.names)))
    return tuple(dict.fromkeys(names))


def _find_file(source_root: Path, module: str) -> Path | None:
    if not module:
        return None
    path = source_root.joinpath(*module.split("."))
    candidates = (path.with_name(f"{path.name}.py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)
