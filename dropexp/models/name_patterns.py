"""Patterns of the names of a network's parameters, such as ``layer4.*``."""

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from dropexp.errors import ConfigError, suggest_close

MOST_NAMES_KEPT = 1000
"""Of tensors, in the folder of a run; a file may have millions."""

_MOST_NAMES = 6


def matches(name: str, pattern: str) -> bool:
    """Return whether a pattern matches a name, or a module that the name is in.

    So ``layer4``, ``layer4.*`` and ``layer4.0.conv1.weight`` match ``layer4.0.conv1.weight``.
    """
    if fnmatchcase(name, pattern):
        return True
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:end]), pattern) for end in range(1, len(parts)))


def matches_any(name: str, patterns: Iterable[str]) -> bool:
    """Return whether any of some patterns matches a name; see matches."""
    return any(matches(name, pattern) for pattern in patterns)


def refuse_idle_patterns(key: str, patterns: Iterable[str], names: Sequence[str]) -> None:
    """Refuse a pattern that matches none of a network's names, which is mistyped.

    Args:
        key: of the config, such as ``model.freeze``.
        patterns: its patterns.
        names: of the network's parameters.

    Raises:
        ConfigError: names the pattern, and what it could match.
    """
    for pattern in patterns:
        if not any(matches(name, pattern) for name in names):
            modules = list_modules(names, names)
            close = suggest_close(pattern, modules) or suggest_close(pattern, names)
            raise ConfigError(
                f"{key}={pattern} matches no parameter of this network; it has "
                f"{list_some(modules, 12)}.{close and f' {close}'}"
            )


def list_modules(names: Collection[str], every: Iterable[str]) -> list[str]:
    """Return names in short: a module in place of the names in it, where all of them are there.

    So ``fc.weight`` and ``fc.bias`` are ``fc``, which is also the pattern that matches both.

    Args:
        names: some of a network's names.
        every: all of them.
    """
    of_modules: dict[str, list[str]] = {}
    for name in every:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            of_modules.setdefault(".".join(parts[:end]), []).append(name)
    chosen = set(names)
    whole = {module for module, inner in of_modules.items() if chosen.issuperset(inner)}
    return [module for module in of_modules if module in whole and _parent(module) not in whole]


def _parent(module: str) -> str:
    return module.rpartition(".")[0]


def list_some(names: Collection[str], most: int = _MOST_NAMES) -> str:
    """Return some names, spread over all, in a sentence: ``a, b, c and 12 more``."""
    every = list(names)
    step = max(1, len(every) // most)
    shown = every[::step][:most]
    left = len(every) - len(shown)
    return ", ".join(shown) + (f" and {left} more" if left else "")
