"""What the sections of a run's configuration share: their base class and types of numbers.

The classes of the sections give type, range, choices and meaning of every field. Defaults stand in
conf/. A field that has a default in its class too has the value that means "off" or "as published"
(run_config.py says what that does to a run's identity).
"""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from dropexp.config.fingerprints import split_target

SEED_LIMIT = 2**63
"""Seeds are below this number, as torch's are."""

# Limits that no study meets. Without them a mistyped number shows only when memory or the user's
# patience is used up.
MOST_EPOCHS = 1_000_000
MOST_IMAGES_IN_A_STEP = 10_000_000
MOST_IMAGES = 1_000_000_000
MOST_THREADS = 1024
MOST_SIGNALS = 1_000_000
MOST_MC_PASSES = 100_000
MOST_PIXELS_A_SIDE = 4096
MOST_CHANNELS = 10_000
MOST_UNITS = 1_000_000
MOST_LAYERS = 10_000


class Section(BaseModel):
    """A frozen part of the configuration that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


OptionFiles = Annotated[
    tuple[str, ...],
    Field(
        description="The options that name a file, filled in by dropexp. The name and the content "
        "of such a file make another run, and its folder does not."
    ),
]
"""Of the options of a user's own code: their keys, dotted."""


def make_keyword_arguments(
    section: Section, *, without: tuple[str, ...] = ("name",)
) -> dict[str, Any]:
    """Return a section's fields as keyword arguments for the class that it configures."""
    return {name: value for name, value in section if name not in without}


def refuse_bool(value: object) -> object:
    """Return a value that is not a boolean, for numbers; Python counts True as 1.

    Raises:
        ValueError: the value is true or false.
    """
    if isinstance(value, bool):
        raise ValueError("it must be a number, not true or false")
    return value


def read_whole(value: object) -> object:
    """Return 1000 for 1e3, which is a float as Hydra reads it, and other values as they are.

    Raises:
        ValueError: the value is true or false.
    """
    is_whole = isinstance(value, float) and value.is_integer()
    return int(value) if is_whole else refuse_bool(value)  # type: ignore[call-overload]


def _check_size(value: float) -> int | float:
    if value > MOST_IMAGES:
        raise ValueError(f"it must be at most {MOST_IMAGES:,}")
    if value <= 0 or (value >= 1 and value != int(value)):
        raise ValueError("it must be a whole number of images, or a fraction between 0 and 1")
    return int(value) if value >= 1 else value


def _check_target(target: str) -> str:
    split_target(target)
    return target


Target = Annotated[str, AfterValidator(_check_target)]
"""Code of the user's: ``package.module:Name``."""
ClassTarget = Annotated[
    Target,
    Field(
        description="The class as package.module:Class; modules are looked for in the current "
        "folder first, then among installed packages."
    ),
]
ClassFingerprint = Annotated[
    str | None,
    Field(
        description="Hash of the class's source, filled in by dropexp. A run is refused if the "
        "source has changed."
    ),
]
Number = Annotated[float, BeforeValidator(refuse_bool)]
Seed = Annotated[int, BeforeValidator(read_whole), Field(ge=0, lt=SEED_LIMIT)]
DropProbability = Annotated[Number, Field(ge=0, lt=1)]
Probability = Annotated[Number, Field(ge=0, le=1)]
Size = Annotated[int | float, BeforeValidator(refuse_bool), AfterValidator(_check_size)]
"""A number of images (≥ 1), or a fraction of the images there are (between 0 and 1)."""
Whole = Annotated[int, BeforeValidator(read_whole), Field(gt=0)]
"""A number of things, at least 1; every use of it sets the largest one."""
Epochs = Annotated[Whole, Field(le=MOST_EPOCHS)]
Channels = Annotated[Whole, Field(le=MOST_CHANNELS)]
