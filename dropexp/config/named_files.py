"""Fills in the fingerprints of the files and folders that a config names.

Their content determines a run's numbers, and a config has only their paths. So a fingerprint of
each is a field of the config, which dropexp fills in when the config is made.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from dropexp.config.combined_section import CombinedConfig, RegulariserConfig
from dropexp.config.data_section import (
    ArraysConfig,
    CustomDataConfig,
    DataConfig,
    DigitsConfig,
    ImageFolderConfig,
    MNIST1DConfig,
    PublishedConfig,
)
from dropexp.config.fingerprints import fingerprint_pictures, fingerprint_source
from dropexp.config.model_section import CustomConfig, ModelConfig, TorchvisionConfig
from dropexp.config.paths import parse_path
from dropexp.config.run_config import RunConfig
from dropexp.config.section_base import Section
from dropexp.config.weights_files import fingerprint_file, identify_weights
from dropexp.errors import ConfigError, DataError


class NamedFiles:
    """Fingerprints of files and folders, each computed once; many configs of a sweep share them."""

    def __init__(self) -> None:
        self.of_pictures = cache(fingerprint_pictures)
        self.of_source = cache(fingerprint_source)
        self.of_file = cache(fingerprint_file)
        self.of_weights = cache(identify_weights)


def fill_fingerprints(config: RunConfig, files: NamedFiles | None = None) -> RunConfig:
    """Return a config with the fingerprints that it lacks, of what it names now.

    Args:
        config: one that names no file is returned as it is.
        files: computes the fingerprints; None: they are computed for this config only.

    Raises:
        ConfigError: custom code has no source file, or there is no such file.
        DataError: the image folder of data.root does not exist.
    """
    files = files or NamedFiles()
    filled = {
        "data": _fill_data(config.data, files),
        "model": _fill_model(config.model, files),
        "regulariser": _fill_regulariser(config, files),
    }
    changed = {key: each for key, each in filled.items() if each is not getattr(config, key)}
    return config.model_copy(update=changed) if changed else config


def fingerprint_options(
    options: Mapping[str, Any], files: NamedFiles | None = None, section: str = "model"
) -> str | None:
    """Return 12 hex digits for the content of the files that options name; None where none does.

    A text is the name of a file if there is such a file; a folder is none.

    Args:
        options: of a user's network, function or noise.
        files: see fill_fingerprints.
        section: of the config that has the options.

    Raises:
        ConfigError: a file cannot be read, or is too large.
    """
    of_file = (files or NamedFiles()).of_file
    found = [
        f"{key}\0{of_file(path, f'{key}={path}')}\n"
        for key, path in sorted(list_option_files(options, section))
    ]
    return sha256("".join(found).encode()).hexdigest()[:12] if found else None


def fingerprint_code(
    target: str, section: str, options: Mapping[str, Any], files: NamedFiles | None = None
) -> str:
    """Return 12 hex digits for the source of a function or class, and the files its options name.

    Where no option names a file, they are those of the source; see fingerprint_source.

    Args:
        target: ``package.module:Name``.
        section: of the config that names it: ``data`` or ``regulariser``.
        options: its arguments.
        files: see fill_fingerprints.

    Raises:
        ConfigError: there is no such module, or a file cannot be read.
    """
    files = files or NamedFiles()
    of_source = files.of_source(target, section)
    of_options = fingerprint_options(options, files, section)
    if of_options is None:
        return of_source
    return sha256(f"{of_source}\n{of_options}\n".encode()).hexdigest()[:12]


def list_option_files(
    options: Mapping[str, Any], section: str = "model"
) -> Iterator[tuple[str, Path]]:
    """Yield the key of each option that names a file, and the file."""
    for key, value in _walk(options, f"{section}.options"):
        try:
            path = parse_path(value, f"{key}={value}")
            if path.is_file():
                yield key, path
        except (ConfigError, OSError, ValueError):  # no path at all, which a text need not be
            continue


def _walk(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Yield each text in nested options with its dotted key."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _walk(item, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, f"{key}.{index}")


def _fill_data(data: DataConfig, files: NamedFiles) -> DataConfig:
    if (
        isinstance(data, DigitsConfig | PublishedConfig | MNIST1DConfig)
        or data.fingerprint is not None
    ):
        return data
    match data:
        case CustomDataConfig():
            found = fingerprint_code(data.target, "data", data.options, files)
        case ImageFolderConfig():
            found = files.of_pictures(parse_path(data.root, f"data.root={data.root}"))
        case ArraysConfig():
            label = f"data.root={data.root}"
            file = parse_path(data.root, label)
            if file.is_dir():
                raise DataError(
                    f"{label} is a folder, and data=arrays reads a .npz file. For a folder of "
                    f"pictures, train/<class>/<pictures>, choose data=image_folder."
                )
            found = files.of_file(file, label)
    return data.model_copy(update={"fingerprint": found, **_list_files(data, "data")})


def _list_files(section: Section, name: str) -> dict[str, tuple[str, ...]]:
    """Return the field option_files of a section; nothing where no option names a file."""
    options = getattr(section, "options", {})
    start = f"{name}.options."
    found = tuple(key.removeprefix(start) for key, _ in list_option_files(options, name))
    return {"option_files": found} if found else {}


def _fill_regulariser(config: RunConfig, files: NamedFiles) -> RegulariserConfig:
    regulariser = config.regulariser
    for part in config.parts:
        if part.name == "custom" and part.fingerprint is None:
            found = fingerprint_code(part.target, "regulariser", part.options, files)
            files_of_part = _list_files(part, "regulariser")
            filled = part.model_copy(update={"fingerprint": found, **files_of_part})
            if not isinstance(regulariser, CombinedConfig):
                return filled
            regulariser = regulariser.model_copy(update={part.name: filled})
    return regulariser


def _fill_model(model: ModelConfig, files: NamedFiles) -> ModelConfig:
    filled: dict[str, Any] = {}
    if isinstance(model, CustomConfig):
        if model.fingerprint is None:
            filled["fingerprint"] = files.of_source(model.target, "model")
        if model.options_fingerprint is None and (of_options := _of_options(model, files)):
            filled |= {"options_fingerprint": of_options, **_list_files(model, "model")}
    if model.weights is not None and model.weights_fingerprint is None:
        arch = model.arch if isinstance(model, TorchvisionConfig) else ""
        filled["weights"], filled["weights_fingerprint"] = files.of_weights(
            model.name, arch, model.weights
        )
    return model.model_copy(update=filled) if filled else model


def _of_options(model: CustomConfig, files: NamedFiles) -> str | None:
    return fingerprint_options(model.options, files)
