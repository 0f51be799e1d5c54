"""The data section of a run's configuration: one class for each kind of data set."""

from typing import Annotated, Any, Literal

from pydantic import Field

from dropexp.config.section_base import (
    MOST_PIXELS_A_SIDE,
    MOST_SIGNALS,
    Number,
    OptionFiles,
    Section,
    Seed,
    Size,
    Target,
    Whole,
)

Augmentation = Literal["none", "flip", "crop", "crop_flip"]
PublishedName = Literal["mnist", "fashion_mnist", "cifar10", "cifar100", "svhn"]


class _DataSection(Section):
    train_size: Size | None = Field(
        description="Training images, with classes in proportion: a number of images, or a "
        "fraction of those left after validation and test. null: all that are left."
    )
    val_size: Size = Field(
        description="Validation images, taken from the training images unless the data set has "
        "its own: a number of images, or a fraction of those that are not test images."
    )
    label_noise: Number = Field(
        ge=0, le=1, description="Fraction of the training labels that are set to a wrong class."
    )
    augment: Augmentation = Field(
        description="Random change of each training image: flip mirrors it left to right with "
        "probability 1/2; crop pads it with zeros by an eighth of its height and crops it back "
        "at a random place; crop_flip does both."
    )
    seed: Seed = Field(
        description="Seed of the split and the label noise. It follows the run's seed; a fixed "
        "number gives every run the same data."
    )


class DigitsConfig(_DataSection):
    """UCI optical digits, embedded in the package: 1,797 grey images of 8×8."""

    name: Literal["digits"]
    split: Literal["images", "writers"] = Field(
        default="images",
        description="What is divided into training, validation and test: images, so that each "
        "writer occurs in all three, or writers, so that each of the 14 forms occurs in one.",
    )


class PublishedConfig(_DataSection):
    """A published data set that torchvision can download."""

    name: PublishedName
    root: str = Field(description="Folder that holds the files of the data set.")
    download: bool = Field(description="Download files that are missing into data.root.")


class SizedTestSection(_DataSection):
    """A data set whose test images are drawn, unless it has some of its own."""

    test_size: Size = Field(
        description="Test images, taken from the training images where the data has none of its "
        "own: a number of images, or a fraction."
    )


class MNIST1DConfig(SizedTestSection):
    """MNIST-1D: signals of 40 numbers in ten classes, made by the generator of its package."""

    name: Literal["mnist1d"]
    root: str = Field(
        description="Folder that keeps the generated signals, so that they are generated once."
    )
    num_samples: Annotated[Whole, Field(le=MOST_SIGNALS, multiple_of=10)] = Field(
        description="Signals to generate, for training, validation and test together: a multiple "
        "of 10, as many of each class."
    )
    generator_seed: Annotated[Seed, Field(lt=2**32)] = Field(
        description="Seed of the generator, which is not data.seed: by default all runs draw "
        "their splits from the same signals, those of the published data."
    )


class ImageFolderConfig(SizedTestSection):
    """Your own pictures: root/train/<class>/*, optionally root/val and root/test."""

    name: Literal["image_folder"]
    root: str = Field(description="Folder that holds train/, and optionally val/ and test/.")
    image_size: Whole = Field(
        le=MOST_PIXELS_A_SIDE, description="Height and width of resized images, in pixels."
    )
    grayscale: bool = Field(
        default=False, description="Convert pictures to one grey channel instead of RGB."
    )
    on_broken: Literal["refuse", "skip"] = Field(
        default="refuse",
        description="Pictures that cannot be decoded: refuse ends the run before it trains; skip "
        "leaves them out, and lists them in run.log.",
    )
    fingerprint: str | None = Field(
        default=None,
        description="Hash of the pictures' names and bytes, filled in by dropexp. A run is "
        "refused if the pictures have changed.",
    )


class ArraysConfig(SizedTestSection):
    """Your own images as arrays in a .npz file."""

    name: Literal["arrays"]
    root: str = Field(
        description="The .npz file with images and labels, and optionally val_images, val_labels, "
        "test_images, test_labels and class_names."
    )
    fingerprint: str | None = Field(
        default=None,
        description="Hash of the file, filled in by dropexp. A run is refused if the file has "
        "changed.",
    )


class CustomDataConfig(SizedTestSection):
    """Your own function that returns images and labels."""

    name: Literal["custom"]
    target: Target = Field(
        description="The function as package.module:function; modules are looked for in the "
        "current folder first, then among installed packages."
    )
    options: dict[str, Any] = Field(
        default={},
        description="Arguments of the function; add one with +data.options.NAME=VALUE.",
    )
    option_files: OptionFiles = ()
    fingerprint: str | None = Field(
        default=None,
        description="Hash of the function's source and of the files that its options name, filled "
        "in by dropexp. A run is refused if one of them has changed.",
    )


DataConfig = Annotated[
    DigitsConfig
    | PublishedConfig
    | MNIST1DConfig
    | ImageFolderConfig
    | ArraysConfig
    | CustomDataConfig,
    Field(discriminator="name"),
]
