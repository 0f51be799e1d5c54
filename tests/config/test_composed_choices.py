"""Values set in a kept composition make the same config as composing by Hydra from the start."""

from itertools import zip_longest
from unittest import mock

import pytest
from hydra import compose
from omegaconf import DictConfig, OmegaConf

from dropexp.config import composed_choices
from dropexp.config.compose import compose_dict
from dropexp.config.composed_choices import compose_from_choices
from dropexp.config.groups import list_groups
from dropexp.config.hydra_session import use_hydra
from dropexp.config.overrides import parse_overrides

VALUES = ["p=0.25", "seed=3", "train.epochs=2", "data.label_noise=0.1", "device=null"]
PATH = "runs_dir='${oc.env:HOME}/a, b'"
CHOICES = [
    [f"{group}={choice}" for group, choice in zip(list_groups(), row, strict=True) if choice]
    for row in zip_longest(*list_groups().values())
]
"""All choices of all groups, one of each group at a time."""


def compose_by_hydra(texts: list[str]) -> DictConfig:
    with use_hydra():
        return compose("config", overrides=texts)


def assert_same(ours: DictConfig | None, by_hydra: DictConfig) -> None:
    assert ours is not None
    assert OmegaConf.to_yaml(ours) == OmegaConf.to_yaml(by_hydra)  # the order of keys too
    assert ours == by_hydra
    assert OmegaConf.is_struct(ours)
    assert OmegaConf.is_struct(by_hydra)


@pytest.mark.parametrize("choices", CHOICES, ids=" ".join)
def test_every_choice_is_composed_as_by_hydra(choices: list[str]) -> None:
    texts = [*VALUES, *choices, PATH]
    ours = compose_from_choices(parse_overrides(texts))
    assert_same(ours, compose_by_hydra(texts))


@pytest.mark.parametrize(
    "texts",
    [
        ["train/early_stopping=patience", "train.early_stopping.patience=3"],
        ["train.early_stopping={patience: 3}"],
        ["regulariser.p=[0.1,0.2]", "p=1e-3"],
        ["regulariser=dropout2d", "regulariser=dropout", "p=0.1", "p=0.2"],
        ["optimiser.lr=${p}"],
    ],
    ids=" ".join,
)
def test_values_of_every_kind_are_set_as_by_hydra(texts: list[str]) -> None:
    assert_same(compose_from_choices(parse_overrides(texts)), compose_by_hydra(texts))


def test_a_change_of_one_config_reaches_no_other() -> None:
    first = compose_dict(parse_overrides(["p=0.1"]))
    first.train.epochs = 99
    second = compose_dict(parse_overrides(["p=0.2"]))
    assert (second.p, second.train.epochs) == (0.2, 30)


def test_hydra_composes_once_for_values_that_differ() -> None:
    compose_dict(parse_overrides(["regulariser=dropout2d"]))
    with mock.patch.object(composed_choices, "compose", side_effect=AssertionError):
        config = compose_dict(parse_overrides(["p=0.2", "regulariser=dropout2d"]))
    assert config.p == 0.2


@pytest.mark.parametrize("text", ["train.epocs=2", "+mine=1", "++p=0.2", "hydra.launcher.n_jobs=1"])
def test_what_hydra_may_refuse_or_knows_better_is_left_to_it(text: str) -> None:
    assert compose_from_choices(parse_overrides([text])) is None
