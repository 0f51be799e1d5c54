"""The typed schema refuses what is wrong and gives equal runs equal identities."""

import sys
from functools import cache
from types import FrameType
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from dropexp.config.compose import compose_run, to_yaml
from dropexp.config.groups import list_groups
from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError
from tests.builders import REGULARISERS

NEED_A_PATH = ("image_folder", "arrays", "custom")
CHOICES = [
    (group, name)
    for group, names in list_groups().items()
    for name in names
    if name not in NEED_A_PATH
]


def test_defaults_make_a_run() -> None:
    config = compose_run([])
    assert config.run_id.startswith("none-p0-s0-")
    assert config.data.name == "digits"


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_every_config_file_is_accepted_by_the_schema(group: str, name: str) -> None:
    assert compose_run([f"{group}={name}"])


def test_a_quoted_choice_and_an_added_study_are_accepted() -> None:
    config = compose_run(["regulariser='dropout2d'", "++study=mine"])
    assert (config.regulariser.name, config.study) == ("dropout2d", "mine")


@pytest.mark.parametrize("name", REGULARISERS)
def test_p_sets_the_p_of_the_regulariser(name: str) -> None:
    config = compose_run([f"regulariser={name}", "p=0.25"])
    assert config.regulariser.p == (0 if name == "none" else 0.25)


@pytest.mark.parametrize("name", REGULARISERS)
def test_options_in_conf_are_the_defaults_of_the_schema(name: str) -> None:
    """An option at the schema's default does not enter the identity, so the file must agree."""
    section = compose_run([f"regulariser={name}"]).regulariser
    for key, field in type(section).model_fields.items():
        if not field.is_required():
            assert getattr(section, key) == field.default


def test_a_config_survives_its_own_yaml() -> None:
    config = compose_run(["regulariser=dropconnect", "p=0.3", "train/early_stopping=patience"])
    again = RunConfig.from_mapping(yaml.safe_load(to_yaml(config)))
    assert again == config
    assert again.run_id == config.run_id


def test_a_config_is_frozen() -> None:
    config = compose_run([])
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "override",
    [
        "device=cpu",
        "threads=1",
        "runs_dir=elsewhere",
        "study=mine",
        "audit=warn",
        "force=true",
        "deterministic=false",
        "keep_checkpoint=true",
        "mc_dropout=20",
        "tensorboard.enabled=false",
    ],
)
def test_keys_outside_the_identity_do_not_change_the_run_id(override: str) -> None:
    assert compose_run([override]).run_id == compose_run([]).run_id


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "data.seed=7",
        "regulariser=dropout2d",
        "model.width=32",
        "model.shortcut=true",
        "optimiser.lr=0.01",
        "optimiser/schedule=cosine",
        "train.epochs=31",
        "train/early_stopping=patience",
        "precision=bfloat16",
        "data.label_noise=0.3",
    ],
)
def test_keys_that_change_the_numbers_change_the_run_id(override: str) -> None:
    assert compose_run([override]).run_id != compose_run([]).run_id


def test_data_root_does_not_change_the_run_id() -> None:
    here, there = (compose_run(["data=mnist", f"data.root={root}"]) for root in ("a", "b"))
    assert here.run_id == there.run_id


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["regulariser=dropout2d", "p=0"], ["regulariser=dropout2d", "p=0.0"]),
        (["optimiser.lr=1"], ["optimiser.lr=1.0"]),
        (["data.train_size=400"], ["data.train_size=400.0"]),
        (["regulariser=none", "p=0.3"], ["regulariser=none"]),
        (["regulariser=dropout2d", "p=0.3"], ["regulariser=dropout2d", "regulariser.p=0.3"]),
        (["data.seed=0"], []),
    ],
)
def test_equal_runs_have_equal_ids(one: list[str], other: list[str]) -> None:
    assert compose_run(one).run_id == compose_run(other).run_id


def test_an_option_added_at_its_default_leaves_ids_as_they_are() -> None:
    full = compose_run(["regulariser=dropconnect"]).to_mapping()
    without: dict[str, Any] = {**full, "regulariser": {"name": "dropconnect", "p": 0.5}}
    assert RunConfig.from_mapping(full).run_id == RunConfig.from_mapping(without).run_id


@cache
def default_run() -> RunConfig:
    return compose_run([])


@given(p=st.floats(0, 1, exclude_max=True), seed=st.integers(0, 2**63 - 1))
def test_any_probability_and_seed_make_a_readable_id(p: float, seed: int) -> None:
    plain = default_run().to_mapping()
    plain["regulariser"] = {"name": "dropout2d", "p": p}
    plain["seed"] = seed
    run_id = RunConfig.from_mapping(plain).run_id
    assert run_id.startswith(f"dropout2d-p{p:g}-s{seed}-")
    assert len(run_id.rpartition("-")[2]) == 8


@given(p=st.one_of(st.floats(max_value=0, exclude_max=True), st.floats(min_value=1), st.just("a")))
def test_any_other_value_of_p_is_refused_by_name(p: object) -> None:
    plain = default_run().to_mapping()
    plain["regulariser"] = {"name": "dropout2d", "p": p}
    with pytest.raises(ConfigError, match=r"^regulariser\.p="):
        RunConfig.from_mapping(plain)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=smal_cnn"], "Did you mean small_cnn?"),
        (["data=cifar"], "Did you mean cifar10"),
        (["p=1.5"], "p=1.5 is not allowed: it must be at most 1."),
        (["regulariser=dropout", "p=1"], "regulariser.p=1 is not allowed: it must be below 1."),
        (["p=-0.1"], "p=-0.1 is not allowed: it must be at least 0."),
        (["p=abc"], "p=abc is not allowed: it must be a number."),
        (["data.label_noise=2"], "data.label_noise=2 is not allowed: it must be at most 1"),
        (["train.batch_size=0"], "train.batch_size=0 is not allowed: it must be above 0."),
        (["train.epochs=0"], "train.epochs=0 is not allowed: it must be above 0."),
        (["epochs=3"], "epochs is not a key of this configuration. Did you mean train.epochs?"),
        (["optimizer.lr=1"], "Did you mean optimiser"),
        (
            ["regulariser=dropout2d", "regulariser.mask=batch"],
            "It belongs to regulariser=dropblock or dropconnect; choose one of these with it.",
        ),
        (
            ["model.target=nets:Net"],
            "belongs to model=custom: write model=custom model.target=nets:",
        ),
        (["data.root=pictures"], "It belongs to data=arrays, cifar10, cifar100, "),
        (
            ["regulariser=dropout2d", "+regulariser.mask=batch"],
            "regulariser.mask is not an option of regulariser=dropout2d.",
        ),
        (
            ["data=image_folder"],
            "data.root has no default and must be given: data.root=… (folder that holds train/,",
        ),
        (["data=arrays"], "data.root=… (the .npz file with images and labels,"),
        (["data.train_size=2.5"], "a whole number of images, or a fraction between 0 and 1"),
        (["model=resnet", "model.depth=21"], "model.depth=21 is not allowed: it must be 6n+2"),
        (["device=gpu"], "it must be auto, cpu, cuda, cuda:N (such as cuda:1) or mps."),
        (["seed=1.5"], "seed=1.5 is not allowed: it must be a whole number."),
        (["p=0.1,0.3"], "p=0.1,0.3 has several values; give one, or train a run for each"),
        (["study=a,b"], "study=a,b names several studies; give one name."),
        (
            ["hydra/launcher=ray"],
            "hydra/launcher=ray is not allowed: it sets how dropexp sweep launches its runs",
        ),
        (["train.early_stopping=5"], "it has keys of its own"),
        (["model.hidden=wide", "model=mlp"], "it must be a list"),
        (
            ["optimiser=sgd", "optimiser.momentum=0", "optimiser.nesterov=true"],
            "optimiser.nesterov=True is not allowed: it needs optimiser.momentum above 0.",
        ),
        (["a.b.c=1"], "dropexp train --cfg shows all keys."),
    ],
)
def test_a_mistake_is_refused_with_the_allowed_values(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        compose_run(overrides)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


# It loses one that meets the function which tells a regulariser's section.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("name", ["to_mapping", "to_identity"])
def test_pydantic_makes_no_other_error_of_ctrl_c(name: str) -> None:
    """Whichever Python function it calls is the one that a Ctrl-C meets."""
    dump = getattr(compose_run(["regulariser=dropout2d", "p=0.3", "logger=mlflow"]), name)
    calls = left = 0

    def press_ctrl_c(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls, left
        calls, left = calls + (event == "call"), left - (event == "call")
        if left == -1:
            raise KeyboardInterrupt

    for number in range(30):
        calls, left = 0, number
        sys.setprofile(press_ctrl_c)
        try:
            dump()
        except KeyboardInterrupt:
            continue
        finally:
            sys.setprofile(None)
    assert 2 <= calls < 30, "all were interrupted"


def test_one_number_of_hidden_units_is_two_layers_of_so_many() -> None:
    one, two = (
        compose_run(["model=mlp", f"model.hidden={hidden}"]) for hidden in ("61", "[61,61]")
    )
    assert one.model == two.model
    assert one.run_id == two.run_id
