"""conf/, the schema and the descriptions that the docs are made from agree."""

import pytest
import yaml

from dropexp.config.compose import compose_run
from dropexp.config.conf_files import read_choice
from dropexp.config.groups import find_conf_dir, list_groups
from dropexp.config.reference import (
    FieldDescription,
    describe_fields,
    describe_groups,
    find_section_class,
)
from dropexp.config.run_config import RunConfig

FIELDS = {(field.choice, field.key): field for field in describe_fields()}
CHOICES = [
    (group, choice)
    for group, choices in list_groups().items()
    for choice in choices
    if find_section_class(group, choice) is not None
]
# A user does not set these: they are filled in or fixed, or are groups of their own.
NOT_IN_CONF = {
    *("fingerprint", "weights_fingerprint", "options_fingerprint", "option_files"),
    *("shortcut", "schedule", "early_stopping"),
}


@pytest.mark.parametrize(("group", "choice"), CHOICES)
def test_a_file_of_conf_has_the_keys_of_its_section(group: str, choice: str) -> None:
    schema = find_section_class(group, choice)
    assert schema is not None
    in_file, in_schema = set(read_choice(group, choice)), set(schema.model_fields)
    if "name" in in_schema:
        assert read_choice(group, choice)["name"] == choice
    assert in_file <= in_schema
    assert in_schema - in_file <= NOT_IN_CONF


def test_config_yaml_has_the_keys_of_a_run() -> None:
    top = yaml.safe_load((find_conf_dir() / "config.yaml").read_text(encoding="utf-8"))
    assert (
        top.keys() - {"defaults", "hydra"} == {"p", *RunConfig.model_fields} - list_groups().keys()
    )


def test_every_field_is_described_in_a_sentence() -> None:
    for field in FIELDS.values():
        assert field.description[0].isupper(), field
        assert field.description.endswith("."), field


def test_every_value_in_conf_has_a_comment() -> None:
    for file in sorted(find_conf_dir().rglob("*.yaml")):
        if {"study", "launcher"} & set(file.relative_to(find_conf_dir()).parts):
            continue
        lines = file.read_text(encoding="utf-8").partition("\nhydra:")[0].splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            key, _, value = line.strip().partition(":")
            is_value = (
                value.strip() and key != "name" and not key.startswith(("#", "-", "defaults"))
            )
            if is_value:
                assert "  # " in line or before.strip().startswith("#"), f"{file.name}: {line}"


SIZE = "whole ≥ 1, or a fraction in (0, 1)"


@pytest.mark.parametrize(
    ("choice", "key", "described"),
    [
        ("digits", "data.train_size", ("number or null", SIZE, "400", True)),
        ("mnist", "data.download", ("true or false", "", "true", False)),
        ("image_folder", "data.root", ("text", "", "required", False)),
        ("adam", "optimiser.betas", ("list of numbers", "[0, 1)", "[0.9, 0.999]", True)),
        ("default", "train.clip", ("number or null", "> 0", "null", True)),
        ("cutout", "regulariser.size", ("number", "(0, 1]", "0.5", True)),
        ("dropout2d", "regulariser.p", ("number", "[0, 1)", "${p}", True)),
        ("dropconnect", "regulariser.mask", ("choice", "example | batch", "example", True)),
        ("", "p", ("number or null", "[0, 1]", "0.5", True)),
        ("", "seed", ("whole number", "≥ 0", "0", True)),
        ("", "threads", ("whole number or null", "from 1 to 1,024", "null", False)),
    ],
)
def test_a_description_has_type_range_default_and_identity(
    choice: str, key: str, described: tuple[str, str, str, bool]
) -> None:
    field = FIELDS[choice, key]
    assert (field.type, field.allowed, field.default, field.in_identity) == described


OTHER_VALUES = {
    "runs_dir": "elsewhere",
    "study": "mine",
    "device": "cpu",
    "model.freeze": "[conv1]",
    "model.train": "head",
}
OF_FILES = ("model.weights", "model.weights_fingerprint", "model.new")
"""Fields that need a file; tests/cli/test_fine_tuning.py has them."""

NEEDED = {"train.cuda_graphs": ["train.compile=true"]}


def another_value(field: FieldDescription) -> str:
    if field.key in OTHER_VALUES:
        return OTHER_VALUES[field.key]
    if field.type.startswith("true"):
        return "false" if field.default == "true" else "true"
    if field.type == "choice":
        return next(name for name in field.allowed.split(" | ") if name != field.default)
    return "7" if field.type.startswith("whole") else "0.125"


@pytest.mark.parametrize(
    "field",
    [
        field
        for field in FIELDS.values()
        if field.choice in ("", "digits", "small_cnn", "default") and field.key not in OF_FILES
    ],
    ids=lambda field: field.key,
)
def test_a_field_in_the_identity_changes_the_run_id_and_no_other_does(
    field: FieldDescription,
) -> None:
    base = ["regulariser=dropout2d", *NEEDED.get(field.key, ())]
    changed = compose_run([*base, f"{field.key}={another_value(field)}"])
    assert (changed.run_id != compose_run(base).run_id) == field.in_identity


def test_every_group_and_choice_is_described() -> None:
    groups = {description.group: description for description in describe_groups()}
    assert {group: list(each.choices) for group, each in groups.items()} == list_groups()
    assert groups["data"].default == "digits"
    assert groups["train/early_stopping"].default == "null"
    for each in groups.values():
        assert all(text.endswith(".") for text in each.choices.values()), each
