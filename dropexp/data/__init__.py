"""A data set in memory, from the data section of a config to splits of tensors.

A DataConfig comes in (``load``); Splits on the CPU go out.
"""

from typing import assert_never

from dropexp.config.data_section import (
    DataConfig,
    DigitsConfig,
    ImageFolderConfig,
    PublishedConfig,
)
from dropexp.data.augmentation import augment
from dropexp.data.splits import ImageShape, Source, Split, Splits, make_splits

__all__ = ["ImageShape", "Split", "Splits", "augment", "load"]


def load(config: DataConfig) -> Splits:
    """Return the splits of a data set, on the CPU: a pure function of its section and files.

    Raises:
        DataError: the data set is missing, damaged, or too small for the requested sizes.
    """
    return make_splits(_read_source(config), config)


def _read_source(config: DataConfig) -> Source:
    # Each reader is imported when it is used: Pillow and torchvision take up to a second.
    match config:
        case DigitsConfig():
            from dropexp.data import digits

            return digits.read()
        case PublishedConfig():
            from dropexp.data import published

            return published.read(config.name, config.root, download=config.download)
        case ImageFolderConfig():
            from dropexp.data import image_folder

            return image_folder.read(config)
        case _:
            assert_never(config)
