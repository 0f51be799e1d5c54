"""The files of weights that a config names: where they are and what they hold. Imports no torch.

``model.weights`` names a file, a run folder, or weights that torchvision publishes under a name.
The content is part of a run's identity, by the start of its SHA-256, and the place is not.
"""

import re
from pathlib import Path

from dropexp.config.parsing import digest_limited
from dropexp.config.paths import parse_path
from dropexp.config.published_weights import find_published_weights
from dropexp.errors import ConfigError, StoreError

RUN_WEIGHTS = "model.safetensors"
"""The file of weights in a run folder."""

PICKLED = (".pt", ".pth", ".ckpt", ".bin")
"""Endings of files that torch.save writes."""

SUFFIXES = (".safetensors", *PICKLED)

MOST_BYTES_OF_WEIGHTS = 1 << 34
"""A sparse file of terabytes takes no space on a disk, and would be read for hours."""

_DIGITS = 12
_PUBLISHED_NAME = re.compile(r"(?:\w+_Weights\.)?[A-Z][A-Z0-9_]*")


def is_published_name(model: str, weights: str) -> bool:
    """Return whether weights are named as torchvision names its own, such as IMAGENET1K_V1.

    Args:
        model: ``model.name``; only torchvision's networks have such weights.
        weights: ``model.weights``.
    """
    return model == "torchvision" and _PUBLISHED_NAME.fullmatch(weights) is not None


def identify_weights(model: str, arch: str, weights: str) -> tuple[str, str]:
    """Return the weights' name or path, and the hex digits that begin the SHA-256 of their file.

    Args:
        model: ``model.name``.
        arch: ``model.arch`` of a network of torchvision; empty for others.
        weights: ``model.weights``. ``DEFAULT`` of torchvision becomes the name that it stands for.

    Raises:
        ConfigError: there is no such file or name.
    """
    if is_published_name(model, weights):
        published = find_published_weights(arch, weights)
        return published.name, published.digest
    return weights, fingerprint_file(find_weights_file(weights), f"model.weights={weights}")


def find_weights_file(weights: str) -> Path:
    """Return the file that ``model.weights`` names; of a run folder its ``model.safetensors``.

    Raises:
        ConfigError: there is no such file, or it has another ending than files of weights have.
    """
    label = f"model.weights={weights}"
    path = parse_path(weights, label)
    if path.is_dir():
        file = path / RUN_WEIGHTS
        if not file.is_file():
            raise ConfigError(
                f"{label} is a folder without {RUN_WEIGHTS}; a run has it when it is finished. "
                f"Name a file ({', '.join(SUFFIXES)}) or the folder of a finished run."
            )
        return file
    if not path.exists():
        name = _PUBLISHED_NAME.fullmatch(weights)
        hint = " torchvision's own weights have names with model=torchvision only." if name else ""
        raise ConfigError(
            f"{label} is not found: there is no such file or run folder in {Path.cwd()}; say where "
            f"it is.{hint}"
        )
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"{label} is not allowed: the name of a file of weights ends in {', '.join(SUFFIXES)}."
        )
    return path


def fingerprint_file(path: Path, label: str) -> str:
    """Return the first 12 hex digits of a file's SHA-256, which is read in little memory.

    Args:
        path: of the file; links are followed, as the user has named it.
        label: what the user typed; begins the message of an error.

    Raises:
        ConfigError: it cannot be read, is empty, or is larger than MOST_BYTES_OF_WEIGHTS.
    """
    try:
        digest = digest_limited(path.resolve(), MOST_BYTES_OF_WEIGHTS)
    except OSError as error:
        raise ConfigError(f"{label} cannot be read: {error.strerror}.") from None
    except StoreError as error:
        raise ConfigError(f"{label}: {error}") from None
    if not digest:
        raise ConfigError(f"{label} is an empty file.")
    return digest[:_DIGITS]
