"""A data set in memory, from the data section of a config to splits of tensors.

A DataConfig comes in (``load``); Splits on the CPU go out.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import assert_never

from dropexp.config.data_section import (
    ArraysConfig,
    CustomDataConfig,
    DataConfig,
    DigitsConfig,
    ImageFolderConfig,
    MNIST1DConfig,
    PublishedConfig,
    SizedTestSection,
)
from dropexp.data.augmentation import augment
from dropexp.data.splits import ImageShape, Source, Split, Splits, make_splits, refuse_sizes
from dropexp.errors import BrokenPictureError, DataError

__all__ = ["ImageShape", "Split", "Splits", "augment", "check", "load"]


def load(config: DataConfig) -> Splits:
    """Return the splits of a data set, on the CPU: a pure function of its section and files.

    Raises:
        DataError: the data set is missing, damaged, or too small for the requested sizes.
    """
    if isinstance(config, ImageFolderConfig) and config.on_broken == "skip":
        return _load_without_broken(config)
    return make_splits(_read_source(config), config)


def _load_without_broken(config: ImageFolderConfig) -> Splits:
    """Return splits that have no broken picture.

    Where no picture that is drawn is broken, they are those of ``on_broken=refuse``: that option is
    no part of a run's id, which determines the run's numbers.
    """
    from dropexp.data import image_folder

    with suppress(BrokenPictureError):
        return make_splits(image_folder.read(config), config)
    return make_splits(image_folder.read_without_broken(config), config)


def check(configs: Sequence[DataConfig]) -> None:
    """Check that load would return splits, without decoding pictures; a data set is read once.

    Raises:
        DataError: as load; it names the data set, of which a sweep may have several.
    """
    by_source: dict[DataConfig, list[DataConfig]] = {}
    for config in configs:
        by_source.setdefault(_drop_sizes(config), []).append(config)
    for of_source in by_source.values():
        name = of_source[0].name
        try:
            source = _count_source(of_source[0])
            for config in of_source:
                refuse_sizes(source, config)
        except DataError as error:
            if str(error).startswith("data="):
                raise
            raise DataError(f"data={name}: {error}") from error


def _drop_sizes(config: DataConfig) -> DataConfig:
    """Return a section that is the same for all that are read from the same files."""
    sizes = {"train_size": None, "val_size": 1, "label_noise": 0.0, "augment": "none", "seed": 0}
    if isinstance(config, SizedTestSection):
        sizes["test_size"] = 1
    return config.model_copy(update=sizes)


def _count_source(config: DataConfig) -> Source:
    """Return a data set, a folder of pictures without their pixels."""
    if not isinstance(config, ImageFolderConfig):
        return _read_source(config)
    from dropexp.data import image_folder

    return image_folder.count(config)


def _read_source(config: DataConfig) -> Source:
    # Each reader is imported when it is used: Pillow and torchvision take up to a second.
    match config:
        case DigitsConfig():
            from dropexp.data import digits

            return digits.read(config.split)
        case PublishedConfig():
            from dropexp.data import published

            return published.read(config.name, config.root, download=config.download)
        case MNIST1DConfig():
            from dropexp.data import mnist1d

            return mnist1d.read(config)
        case ImageFolderConfig():
            from dropexp.data import image_folder

            return image_folder.read(config)
        case ArraysConfig():
            from dropexp.data import arrays

            return arrays.read(config)
        case CustomDataConfig():
            from dropexp.data import custom

            return custom.read(config)
        case _:
            assert_never(config)
