import pytest
import torch
from torch import Tensor, nn

from dropexp.config.compose import compose_run
from dropexp.config.groups import split_combination
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import extract_setting, flatten, name_settings
from dropexp.errors import ConfigError
from dropexp.regularisers import Combined, build, find_noise_modules
from dropexp.runs.listing import is_run_id
from dropexp.runs.overrides import find_changed_fields
from dropexp.sweep.grammar import compose_sweep
from dropexp.training.loop import train
from tests.builders import build_parts
from tests.regularisers.networks import Network, under_seed


def combined(*names: str, p: float = 0.5) -> Network:
    torch.manual_seed(0)
    return Network(Combined([build(name, p) for name in names]))


def test_each_part_serves_its_sites() -> None:
    model = combined(
        "dropconnect", "dropout", "dropout2d", "shakedrop", "stochastic_depth", "cutout", "mixup"
    )
    kinds = {name: noise.kind for name, noise in find_noise_modules(model).items()}
    assert kinds == {
        "conv1": "dropconnect",
        "conv2": "dropconnect",
        "head": "dropconnect",
        "noise1.0": "dropout",
        "noise1.1": "dropout2d",
        "noise2": "dropout",
        "gate.0": "shakedrop",
        "gate.1": "stochastic_depth",
        "input_noise.0": "cutout",
        "input_noise.1": "mixup",
    }


def test_in_evaluation_and_at_p_0_it_is_the_plain_model() -> None:
    x = torch.randn(16, 3, 6, 6)
    torch.manual_seed(0)
    plain = Network(build("none", 0))
    names = ("dropconnect", "dropout2d", "shakedrop", "stochastic_depth", "mixup")
    assert torch.equal(combined(*names).eval()(x), plain.eval()(x))
    plain = plain.train()
    assert torch.equal(combined(*names, p=0.0)(x), plain(x))


def test_a_combination_of_one_draws_as_that_one() -> None:
    x = torch.randn(16, 3, 6, 6)
    torch.manual_seed(0)
    alone = Network(build("dropout2d", 0.5))
    assert torch.equal(under_seed(7, combined("dropout2d"), x), under_seed(7, alone, x))


def test_gates_lie_one_within_the_other() -> None:
    gate = Combined([build("stochastic_depth", 0.5), build("shakedrop", 0.0)]).branch(1.0)
    rows: list[int] = []

    def branch(x: Tensor) -> Tensor:
        rows.append(len(x))
        return x

    torch.manual_seed(0)
    out = gate(branch, torch.ones(1000, 1))
    assert rows == [int(out.count_nonzero())], "what the outer one drops is not computed"
    assert rows[0] == pytest.approx(500, abs=80)


def test_two_that_replace_the_same_layer_are_refused() -> None:
    pair = Combined([build("dropconnect", 0.5), build("dropconnect", 0.3)])
    with pytest.raises(ConfigError, match="two of them replace the same layer"):
        pair.weight(nn.Linear(2, 2), 1.0)
    # A scale on the output is another matter.
    both = Combined([build("dropconnect", 0.5), build("unit_scaling", 0.3)])
    layer = both.weight(nn.Linear(2, 2), 1.0)
    assert {noise.kind for noise in find_noise_modules(layer).values()} == {
        "dropconnect",
        "unit_scaling",
    }


# --- on the command line ------------------------------------------------------------------


def config_of(*overrides: str) -> RunConfig:
    return compose_run(list(overrides))


def test_each_has_its_own_p_and_options_and_changes_of_other_groups() -> None:
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


def test_its_run_id_is_valid_and_its_description_lists_what_is_not_default() -> None:
    config = config_of("regulariser=dropout2d+mixup", "p=0.2", "regulariser.mixup.alpha=0.4")
    assert is_run_id(config.run_id)
    told = {each.key for each in find_changed_fields(flatten(config.to_mapping()))}
    assert told == {
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


def test_each_part_has_its_own_schedule() -> None:
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
def test_mistakes_are_explained(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose_run(overrides)
    assert message in str(error.value)


def test_a_sweep_takes_combinations_among_others() -> None:
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
def test_a_sweep_does_not_drop_an_option_that_a_part_has(override: str) -> None:
    with pytest.raises(ConfigError, match="does not say which of dropout2d and mixup"):
        compose_sweep(["regulariser=none,mixup,dropout2d+mixup", f"regulariser.{override}"])


def test_the_name_of_a_setting_has_every_part_with_its_p() -> None:
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
