"""Filled templates are what Hydra and OmegaConf compose, for any kind of value or interpolation."""

from itertools import product
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from dropexp.config.compose import compose_dict, compose_run
from dropexp.config.overrides import parse_overrides
from dropexp.config.run_config import RunConfig
from dropexp.config.template import ConfigTemplate

CUSTOM = "model.target=tests.config.test_template:Nothing"


class Nothing:
    """The class of a custom model; nobody builds it."""


def compose_both_ways(fixed: list[str], varied: dict[str, list[str]]) -> list[tuple[Any, Any]]:
    first = [f"{key}={values[0]}" for key, values in varied.items()]
    template = ConfigTemplate(compose_dict(parse_overrides([*fixed, *first])), list(varied))
    pairs = []
    for chosen in product(*varied.values()):
        overrides = parse_overrides([f"{k}={v}" for k, v in zip(varied, chosen, strict=True)])
        filled: Any = template.fill([override.value for override in overrides])
        if isinstance(filled, DictConfig):
            filled = OmegaConf.to_container(filled, resolve=True)
        slow = compose_dict([*parse_overrides(fixed), *overrides])
        pairs.append((filled, OmegaConf.to_container(slow, resolve=True)))
    return pairs


@pytest.mark.parametrize(
    ("fixed", "varied"),
    [
        (["regulariser=dropout2d"], {"regulariser.p": ["0.1"], "p": ["0.5", "0.9"]}),
        (["regulariser=dropout2d+dropconnect"], {"p": ["0.1"], "regulariser.dropout2d.p": ["0.2"]}),
        (["data=mnist", "train.epochs=${seed}"], {"data.seed": ["3"], "seed": ["1", "2"]}),
        (["model=mlp"], {"model.hidden": ["[8]", "[8,4]"], "train.clip": ["null"]}),
        ([], {"train.epochs": ["${seed}", "4"], "seed": ["6"]}),
        (["+train.label='${p}-x'"], {"p": ["0.5", "0.6"]}),
        (["+train.more.p=1", "+train.copy=${train.more}"], {"train.more.p": ["1", "2"]}),
        (["+train.a=${train.b}", "+train.b=${seed}"], {"seed": ["1", "2"]}),
    ],
)
def test_a_filled_template_is_what_is_composed(
    fixed: list[str], varied: dict[str, list[str]]
) -> None:
    for filled, composed in compose_both_ways(fixed, varied):
        assert filled == composed


def test_configs_of_one_template_share_nothing_that_a_later_one_changes() -> None:
    fixed = ["model=custom", CUSTOM, "+model.options.size.width=1"]
    pairs = compose_both_ways(fixed, {"model.options.size.width": ["1", "2"]})
    configs = [RunConfig.from_mapping(filled) for filled, _ in pairs]
    assert [c.model.model_dump()["options"] for c in configs] == [
        {"size": {"width": 1}},
        {"size": {"width": 2}},
    ]


def test_a_copy_of_a_config_has_its_own_identity() -> None:
    config = compose_run(["seed=1"])
    known = (config.run_id, config.config_hash)
    copied = config.model_copy(update={"seed": 2})
    assert copied.run_id == RunConfig.from_mapping(copied.to_mapping()).run_id
    assert copied.config_hash != config.config_hash
    assert (config.run_id, config.config_hash) == known
    assert copied.model_copy(update={"seed": 1}) == config == compose_run(["seed=1"])
