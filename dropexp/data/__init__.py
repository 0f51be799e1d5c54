"""A data set, in memory: from the data section of a config to splits of tensors.

A DataConfig comes in (``load``), Splits on the CPU go out. torch, Pillow and torchvision are
imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, assert_never

from dropexp.config.data_section import (
    DataConfig,
    DigitsConfig,
    DownloadableConfig,
    ImageFolderConfig,
)

if TYPE_CHECKING:
    from dropexp.data.augmentation import augment
    from dropexp.data.splits import Source, Split, Splits
else:
    _ON_FIRST_USE = {"augment": "augmentation", "Split": "splits", "Splits": "splits"}

    def __getattr__(name):
        if name not in _ON_FIRST_USE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_ON_FIRST_USE[name]}"), name)


__all__ = ["Split", "Splits", "augment", "load"]


def load(config: DataConfig) -> "Splits":
    """The splits a data section asks for, on the CPU: a pure function of it and of the files.

    Raises:
        DataError: the data set is missing, damaged, or too small for the sizes asked for; the
            message names the field or the file and what would do.
    """
    from dropexp.data.splits import make_splits

    return make_splits(_source(config), config)


def _source(config: DataConfig) -> "Source":
    match config:
        case DigitsConfig():
            from dropexp.data import digits

            return digits.read()
        case DownloadableConfig():
            from dropexp.data import published

            return published.read(config.name, config.root, download=config.download)
        case ImageFolderConfig():
            from dropexp.data import image_folder

            return image_folder.read(config)
        case _:
            assert_never(config)
