"""The regulariser section of a combination, and the union of all regulariser sections."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from dropexp.config.regulariser_section import NoneConfig, SingleRegulariser
from dropexp.config.section_base import Probability, Section
from dropexp.config.setting import COMBINATION_SEPARATOR


class CombinedConfig(Section):
    """Several regularisers: one section for each, under its name."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, SingleRegulariser] = Field(init=False)

    name: str
    p: Probability = Field(default=0.0, description="The largest p of its regularisers.")

    @property
    def parts(self) -> "tuple[SingleRegulariser, ...]":
        """The sections, in the order of the name."""
        return tuple(
            self.__pydantic_extra__[name] for name in self.name.split(COMBINATION_SEPARATOR)
        )

    @model_validator(mode="before")
    @classmethod
    def _set_largest_p(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        p_of_parts = [part.get("p") for part in values.values() if isinstance(part, dict)]
        numbers = [p for p in p_of_parts if isinstance(p, int | float) and p is not True]
        return {**values, "p": min(max(numbers, default=0.0), 1.0)}

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        names = self.name.split(COMBINATION_SEPARATOR)
        sections = self.__pydantic_extra__
        if set(names) != set(sections) or len(names) != len(sections):
            raise ValueError(f"it needs a section for each of {', '.join(names)} and no other")
        dropconnect = sections.get("dropconnect")
        if "unit_scaling" in names and getattr(dropconnect, "inference", "mean") == "gaussian":
            raise ValueError(
                "dropconnect.inference=gaussian cannot be combined with unit_scaling, which acts "
                "between the layer and its ReLU; use inference=mean"
            )
        wrong = [name for name, section in sections.items() if section.name != name]
        if wrong:
            raise ValueError(
                f"the section {wrong[0]} has name={sections[wrong[0]].name}; it must be {wrong[0]}"
            )
        return self


SINGLE_TAG, COMBINED_TAG = "single", "combined"
"""Tags of the union below; pydantic puts them into the locations of its errors."""


def _choose_tag(value: Any) -> str:
    name = value.get("name") if isinstance(value, dict) else getattr(value, "name", None)
    return COMBINED_TAG if COMBINATION_SEPARATOR in str(name) else SINGLE_TAG


RegulariserConfig = Annotated[
    Annotated[
        Annotated[NoneConfig | SingleRegulariser, Field(discriminator="name")], Tag(SINGLE_TAG)
    ]
    | Annotated[CombinedConfig, Tag(COMBINED_TAG)],
    Discriminator(_choose_tag),
]
