"""The weights that torchvision publishes, read from its source: nothing is imported or downloaded.

A config names such weights as torchvision does: ``IMAGENET1K_V1``, ``DEFAULT``. What a name stands
for can change with the version of torchvision, so a run's identity needs the content. The address
of a file of weights has the start of its SHA-256.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from dropexp.errors import ConfigError, suggest

_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.pth$")


@dataclass(frozen=True)
class PublishedWeights:
    """Weights of a network of torchvision.

    Attributes:
        name: that of torchvision's enumeration; never ``DEFAULT``.
        url: of the file.
        digest: hex digits with which the SHA-256 of the file begins.
    """

    name: str
    url: str
    digest: str

    @property
    def file_name(self) -> str:
        """The name of the file, also of the downloaded one."""
        return self.url.rpartition("/")[2]


def find_published_weights(arch: str, name: str) -> PublishedWeights:
    """Return the weights of a name for a network of torchvision.

    Args:
        arch: the network, as in ``model.arch``.
        name: ``DEFAULT``, ``IMAGENET1K_V1`` or ``ResNet18_Weights.IMAGENET1K_V1``.

    Raises:
        ConfigError: torchvision has no such network, or no weights of this name for it.
    """
    label = f"model.weights={name}"
    enumeration, _, member = name.rpartition(".")
    found = _read_weights(arch)
    if found is None:
        raise ConfigError(
            f"{label} is not found: torchvision has no weights for model.arch={arch}."
        )
    owner, published = found
    if enumeration not in ("", owner):
        raise ConfigError(f"{label} is not for model.arch={arch}, whose weights are of {owner}.")
    if member not in published:
        raise ConfigError(
            f"{label} is not known for model.arch={arch}. {suggest(member, published)}"
        )
    return published[member]


@cache
def _read_weights(arch: str) -> tuple[str, dict[str, PublishedWeights]] | None:
    """Return the name of a network's enumeration, and its weights by name; None without any."""
    for tree in _parse_sources(arch):
        enumeration = _find_enumeration(tree, arch)
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name == enumeration:
                return node.name, _read_members(node)
    return None


def _parse_sources(arch: str) -> Iterator[ast.Module]:
    """Yield the syntax trees of torchvision's modules that define a network."""
    spec = find_spec("torchvision")
    folder = Path(spec.origin).parent / "models" if spec and spec.origin else None
    for file in sorted(folder.glob("*.py")) if folder else ():
        source = file.read_text(encoding="utf-8")
        if f"\ndef {arch}(" in source:
            yield ast.parse(source)


def _find_enumeration(tree: ast.Module, arch: str) -> str:
    """Return the type of the argument ``weights`` of the function that makes a network."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == arch:
            for argument in (*node.args.args, *node.args.kwonlyargs):
                if argument.arg == "weights" and argument.annotation is not None:
                    names = re.findall(r"\w+_Weights", ast.unparse(argument.annotation))
                    return names[0] if names else ""
    return ""


def _read_members(enumeration: ast.ClassDef) -> dict[str, PublishedWeights]:
    members: dict[str, PublishedWeights] = {}
    for node in enumeration.body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if isinstance(node.value, ast.Call):
            url = _find_url(node.value)
            digest = _DIGEST.search(url)
            if digest is not None:
                members[name] = PublishedWeights(name, url, digest[1])
        elif isinstance(node.value, ast.Name) and node.value.id in members:
            members[name] = members[node.value.id]
    return members


def _find_url(call: ast.Call) -> str:
    values = [keyword.value for keyword in call.keywords if keyword.arg == "url"]
    is_text = values and isinstance(values[0], ast.Constant)
    return str(values[0].value) if is_text else ""  # type: ignore[attr-defined]
