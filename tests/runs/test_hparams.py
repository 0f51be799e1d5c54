"""HParams of TensorBoard: one column for each option, of one type in all runs."""

from dropexp.config.compose import compose_run
from dropexp.runs.hparams import list_hyperparameters

CHOICES = [
    [],
    ["regulariser=dropconnect", "data.label_noise=0"],
    ["regulariser=stochastic_depth", "classic=early_stopping"],
    ["model=resnet", "data=cifar10", "data.train_size=null", "optimiser=sgd"],
    ["model=mlp", "data.train_size=0.5", "optimiser/schedule=step"],
    ["regulariser=dropout2d+mixup", "regulariser.mixup.alpha=0.4"],
    ["regulariser=dropblock", "model=torchvision", "model.arch=resnet18"],
]


def test_each_option_is_a_column_and_has_one_type_in_all_runs() -> None:
    tables = [list_hyperparameters(compose_run(overrides)) for overrides in CHOICES]
    types: dict[str, type] = {}
    for table in tables:
        for name, value in table.items():
            kind = float if type(value) is int else type(value)
            assert types.setdefault(name, kind) is kind, name
    none, dropconnect, depth, resnet, mlp, both, _ = tables
    assert (none["regulariser"], none["p"], none["seed"]) == ("none", 0.0, 0)
    assert not any(name.startswith("regulariser.") for name in none)  # no empty columns
    assert dropconnect["regulariser.mask"] == "example"
    assert depth["setup.model.shortcut"] is True
    assert resnet["setup.data.train_size"] == "all"
    assert mlp["setup.data.train_size"] == "0.5"
    assert mlp["setup.model.hidden"] == "[800,800]"
    assert (both["regulariser"], both["regulariser.mixup.alpha"]) == ("dropout2d+mixup", 0.4)


def test_the_regulariser_is_before_the_fields_that_five_columns_have_no_room_for() -> None:
    table = list_hyperparameters(compose_run(["regulariser=dropconnect"]))
    first = sorted(table)[:6]
    assert {"p", "regulariser"} <= set(first)
    assert all(name.startswith(("p", "regulariser", "seed")) for name in first)


def test_what_repeats_the_seed_or_changes_no_number_is_no_column() -> None:
    table = list_hyperparameters(compose_run(["seed=3"]))
    assert "setup.data.seed" not in table
    assert list_hyperparameters(compose_run(["data.seed=7"]))["setup.data.seed"] == 7
    assert not any("root" in name or "fingerprint" in name for name in table)
