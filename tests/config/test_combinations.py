"""Several regularisers in one configuration."""

import pytest

from dropexp.config.compose import compose_run
from dropexp.config.groups import split_combination
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import extract_setting, flatten, name_settings
from dropexp.errors import ConfigError
from dropexp.regularisers import find_noise_modules
from dropexp.runs.listing import is_run_id
from dropexp.runs.overrides import find_changed_fields
from dropexp.sweep.grammar import compose_sweep
from dropexp.training.loop import train
from tests.builders import build_parts


def config_of(*overrides: str) -> RunConfig:
    return compose_run(list(overrides))


def test_each_regulariser_has_its_own_p_options_and_changes_of_other_groups() -> None:
    config = config_of(
        "regulariser=dropout2d+stochastic_depth",
        "p=0.2",
        "regulariser.stochastic_depth.p=0.4",
        "regulariser.stochastic_depth.mode=batch",
    )
    assert config.p_by_regulariser == {"dropout2d": 0.2, "stochastic_depth": 0.4}
    assert config.regulariser.p == 0.4
    assert config.model.shortcut is True, "stochastic depth asks the model for shortcuts"
    assert config.run_id.startswith("dropout2d+stochastic_depth-p0.4-s0-")
    assert RunConfig.from_mapping(config.to_mapping()) == config


def test_the_run_id_is_valid_and_the_changed_fields_are_listed() -> None:
    config = config_of("regulariser=dropout2d+mixup", "p=0.2", "regulariser.mixup.alpha=0.4")
    assert is_run_id(config.run_id)
    changed = {each.key for each in find_changed_fields(flatten(config.to_mapping()))}
    assert changed == {
        "p",
        "regulariser.name",
        "regulariser.mixup.alpha",
        "regulariser.dropout2d.p",
        "regulariser.mixup.p",
    }


def test_the_order_of_names_and_of_overrides_does_not_matter() -> None:
    overrides = ["regulariser.dropout2d.p=0.1", "p=0.3"]
    one = config_of("regulariser=stochastic_depth+dropout2d", *overrides)
    other = config_of(*overrides, "regulariser=dropout2d+stochastic_depth")
    assert one.run_id == other.run_id
    assert split_combination("mixup+cutout") == ["cutout", "mixup"]


def test_each_regulariser_has_its_own_time_schedule() -> None:
    overrides = [
        "regulariser=dropout2d+stochastic_depth",
        "p=0.4",
        "train.epochs=3",
        "model.shortcut=true",
    ]
    overrides += ["regulariser.dropout2d.time_schedule=linear_up"]
    config, _, state, plan = build_parts(*overrides)
    assert config.p_factors(2) == {"dropout2d": 0.5, "stochastic_depth": 1.0}
    for record in train(state, plan):
        found = {noise.kind: noise.p for noise in find_noise_modules(state.model).values()}
        assert found["dropout2d"] == pytest.approx(0.4 * (record.epoch - 1) / 2)
        assert found["stochastic_depth"] == record.p == 0.4


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["regulariser=dropout2d+dropuot"], "'dropuot' is not a regulariser. Did you mean dropout"),
        (["regulariser=none+dropout2d"], "different regularisers, without none"),
        (["regulariser=dropout+dropout"], "different regularisers"),
        (["regulariser=dropout+mixup", "regulariser.p=0.3"], "regulariser.dropout.p=0.3"),
        (["regulariser=dropout+mixup", "regulariser.mixup.alfa=1"], "regulariser.mixup.alfa"),
        (["regulariser=dropout+mixup", "regulariser.dropout.p=1"], "regulariser.dropout.p=1"),
        (["regulariser=dropout+mixup", "regulariser.mixup.p=true"], "regulariser.mixup.p=True"),
        (["regulariser=dropout+mixup", "regulariser.mixup=0.3"], "such as regulariser.mixup.p"),
        (["regulariser=dropout+mixup", "regulariser.cutout.p=0"], "cutout is not one of dropout"),
        (["regulariser=dropout+mixup", "+regulariser.p=0.3"], "regulariser.dropout.p=0.3"),
        (
            ["regulariser=dropconnect+unit_scaling", "regulariser.dropconnect.inference=gaussian"],
            "use inference=mean",
        ),
        (["regulariser=alpha_dropout", "model.nonlinearity=relu"], "model.nonlinearity=selu"),
        (["regulariser=alpha_dropout+mixup", "model=resnet"], "model=small_cnn"),
        (
            [
                "regulariser=dropout+mixup",
                "regulariser.mixup.time_schedule=late",
                "regulariser.mixup.switch_after=99",
            ],
            "of mixup is not allowed",
        ),
    ],
)
def test_a_mistake_in_a_combination_is_refused_with_the_correction(
    overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        compose_run(overrides)
    assert message in str(error.value)


def test_a_sweep_may_mix_combinations_and_single_regularisers() -> None:
    request = compose_sweep(
        [
            "regulariser=none,dropout2d,dropout2d+stochastic_depth",
            "regulariser.stochastic_depth.p=0.3,0.5",
            "p=0.2",
            "model.shortcut=true",
            "seed=0,1",
        ]
    )
    found = sorted({(c.regulariser.name, c.regulariser.p) for c in request.configs})
    assert found == [
        ("dropout2d", 0.2),
        ("dropout2d+stochastic_depth", 0.3),
        ("dropout2d+stochastic_depth", 0.5),
        ("none", 0.0),
    ]
    assert len(request.configs) == 8


@pytest.mark.parametrize("override", ["p=0.2,0.3", "alpha=0.2"])
def test_a_sweep_refuses_an_option_that_names_none_of_the_regularisers(override: str) -> None:
    with pytest.raises(ConfigError, match="does not say which of dropout2d and mixup"):
        compose_sweep(["regulariser=none,mixup,dropout2d+mixup", f"regulariser.{override}"])


def test_the_name_of_a_setting_has_every_regulariser_with_its_p() -> None:
    overrides = ["regulariser=dropout2d+stochastic_depth", "model.shortcut=true"]
    same = compose_run([*overrides, "p=0.3"])
    other = compose_run([*overrides, "p=0.3", "regulariser.dropout2d.p=0.1"])
    batch = compose_run([*overrides, "p=0.3", "regulariser.stochastic_depth.mode=batch"])
    settings = [extract_setting(config.to_mapping()) for config in (same, other, batch)]
    assert name_settings(settings) == [
        "dropout2d+stochastic_depth p=0.3 regulariser.stochastic_depth.mode=row",
        "dropout2d p=0.1 + stochastic_depth p=0.3 regulariser.stochastic_depth.mode=row",
        "dropout2d+stochastic_depth p=0.3 regulariser.stochastic_depth.mode=batch",
    ]
    assert name_settings(settings[1:2]) == ["dropout2d p=0.1 + stochastic_depth p=0.3"]
