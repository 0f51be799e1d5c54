"""Overrides are parsed once, into typed values."""

from typing import Any

import pytest

from dropexp.config.overrides import Interval, parse_override
from dropexp.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "sign", "key", "values"),
    [
        ("p=0.3", "", "p", (0.3,)),
        ("train.epochs=3", "", "train.epochs", (3,)),
        ("+model.options.a=1", "+", "model.options.a", (1,)),
        ("++seed=1,2", "++", "seed", (1, 2)),
        ("seed=range(1,6,2)", "", "seed", (1, 3, 5)),
        ("p=sort(0.3,0.1)", "", "p", (0.1, 0.3)),
        ("data.root='a, b'", "", "data.root", ("a, b",)),
        ("data.root=", "", "data.root", ("",)),
        ("train.clip=null", "", "train.clip", (None,)),
        ("model.hidden=[8],[8,4]", "", "model.hidden", ([8], [8, 4])),
        ("regulariser=glob(dropout*)", "", "regulariser", ("dropout", "dropout2d")),
        ("regulariser=none,'dropout2d'", "", "regulariser", ("none", "dropout2d")),
        ("regulariser=mixup+cutout", "", "regulariser", ("mixup+cutout",)),
        ("train/early_stopping=null,patience", "", "train/early_stopping", (None, "patience")),
        ("hydra.launcher.n_jobs=2", "", "hydra.launcher.n_jobs", (2,)),
    ],
)
def test_an_override_has_a_sign_a_key_and_python_values(
    text: str, sign: str, key: str, values: tuple[Any, ...]
) -> None:
    override = parse_override(text)
    assert (override.text, override.sign, override.key) == (text, sign, key)
    assert override.values == values
    assert override.is_addition == bool(sign)


@pytest.mark.parametrize(
    ("text", "is_sweep"), [("p=0.3", False), ("p=0.1,0.3", True), ("model.hidden=[8,4]", False)]
)
def test_several_values_make_a_sweep_and_a_list_is_one_value(text: str, is_sweep: bool) -> None:
    assert parse_override(text).is_sweep == is_sweep


@pytest.mark.parametrize("text", ["++p=0.1,0.3", "data.root='a b','c'", "model.hidden=[8],[8,4]"])
def test_a_sweep_splits_into_overrides_of_one_value_each(text: str) -> None:
    sweep = parse_override(text)
    parts = sweep.split()
    assert [part.value for part in parts] == list(sweep.values)
    assert not any(part.is_sweep for part in parts)
    assert [parse_override(part.text) for part in parts] == parts


@pytest.mark.parametrize(
    ("text", "is_group_choice", "is_about_the_run", "is_about_the_launcher"),
    [
        ("data=mnist", True, True, False),
        ("classic=weight_decay", True, True, False),
        ("optimiser/schedule=cosine", True, True, False),
        ("optimiser.lr=0.1", False, True, False),
        ("p=0.1", False, True, False),
        ("device=cpu", False, False, False),
        ("logger=mlflow", True, False, False),
        ("study=mine", False, False, False),
        ("hydra/launcher=ray", False, False, True),
        ("+hydra.launcher.ray.init.x=1", False, False, True),
    ],
)
def test_an_override_concerns_a_group_the_run_or_the_launcher(
    text: str, is_group_choice: bool, is_about_the_run: bool, is_about_the_launcher: bool
) -> None:
    override = parse_override(text)
    assert override.is_group_choice == is_group_choice
    assert override.is_about_the_run == is_about_the_run
    assert override.is_about_the_launcher == is_about_the_launcher


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("verbose", "'verbose' is not an override. Write key=value."),
        ("dropout2d", "'dropout2d' is not an override. Did you mean regulariser=dropout2d?"),
        ("quick", "'quick' is not an override. Did you mean study=quick?"),
        ("regulariser", "'regulariser' is not an override. Write regulariser=…, without spaces."),
        ("--regulariser", "--regulariser is not an option of this command; write regulariser=…"),
        ("--epochs", "--epochs is not an option of this command; write train.epochs=…"),
        ("--seed=3", "--seed=3 is not an option of this command; write seed=3."),
        ("data=tests", "For a folder of pictures, write data=image_folder data.root=tests."),
        ("model=nets.mine:Net", "For code of your own, write model=custom model.target=nets.mine"),
        ("=3", "'=3' has no key before the equals sign; write key=value"),
        ("~data", "'~data' is not an override. Write key=value."),
        ("seed=range(3", 'seed=range(3 cannot be read: ) is missing; write "seed=range(3)".'),
        ("model.hidden=[[8", ']] is missing; write "model.hidden=[[8]]".'),
        ("--verbose", "--verbose is not an option of this command; --help lists its options."),
        ("regulariser=dropout2d p=0.3", "write two arguments: regulariser=dropout2d p=0.3."),
        ("model=resnet18", "write model=torchvision model.arch=resnet18."),
        ("p=interval(0,1)", "is an interval, from which dropexp tune chooses; list values here"),
        ("seed=range(0)", "seed=range(0) has no values; give at least one."),
        ("hydra.run.dir=x", "hydra.run.dir is Hydra's own"),
        ("regulariser.name=dropout", "does not choose a configuration; write regulariser=dropout."),
        ("optimiser.schedule.name=cosine", "write optimiser/schedule=cosine."),
        ("+regulariser=dropout", "every run has a regulariser already; write regulariser=dropout."),
        ("regulariser=none,dropuot", "regulariser=dropuot is not known. Did you mean dropout"),
        ("regulariser=[dropout]", "regulariser=[dropout] is not known."),
        ("data=null", "data=null is not known. Known: arrays, cifar10"),
        ("optimiser/schedule=3", "optimiser/schedule=3 is not known."),
        ("regulariser=cutout+none", "it must name different regularisers, without none."),
        ("regulariser=cutout+foo", "'foo' is not a regulariser."),
    ],
)
def test_an_invalid_override_is_refused_with_the_correction(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_override(text)
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("p=interval(0.05,0.8)", Interval(0.05, 0.8)),
        ("optimiser.lr=tag(log,interval(1e-5,1e-2))", Interval(1e-5, 1e-2, is_log=True)),
        ("model.width=int(interval(8,64))", Interval(8, 64, is_integer=True)),
    ],
)
def test_an_interval_is_one_typed_value_where_it_is_allowed(text: str, interval: Interval) -> None:
    override = parse_override(text, with_intervals=True)
    assert override.value == interval
    assert override.is_interval
    assert override.text == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p=interval(0.8,0.1)", "must be numbers, the lower one first"),
        ("p=interval(0.1,0.1)", "must be numbers, the lower one first"),
        ("p=interval(0.1,inf)", "must be numbers, the lower one first"),
        ("p=tag(log,interval(0,1))", "tag(log,…) needs ends above 0"),
        ("p=tag(steep,interval(0.1,1))", "has an unknown tag"),
        ("regulariser=interval(0,1)", "a group has choices"),
    ],
)
def test_an_invalid_interval_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_override(text, with_intervals=True)
    assert message in str(error.value)


@pytest.mark.parametrize("path", ["~/a", "~", "~ann/my-data/v1.2", "~/two words"])
def test_a_path_in_a_home_folder_needs_no_quotes(path: str) -> None:
    override = parse_override(f"data.root={path}")
    assert (override.value, override.text) == (path, f"data.root='{path}'")
