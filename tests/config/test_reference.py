"""conf/, the schema and the descriptions that the docs are made from agree."""

import pytest
import yaml

from dropexp.config.compose import compose_run
from dropexp.config.groups import find_conf_dir, list_groups
from dropexp.config.reference import (
    FieldDescription,
    describe_fields,
    describe_groups,
    find_section_class,
    read_choice,
)
from dropexp.config.run_config import RunConfig

FIELDS = {(field.choice, field.key): field for field in describe_fields()}
CHOICES = [
    (group, choice)
    for group, choices in list_groups().items()
    for choice in choices
    if group != "classic"
]
# A user does not set these: they are filled in or fixed, or are groups of their own.
NOT_IN_CONF = {"fingerprint", "shortcut", "schedule", "early_stopping"}


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
        if file.parent.name in ("study", "launcher"):
            continue
        lines = file.read_text(encoding="utf-8").partition("\nhydra:")[0].splitlines()
        for before, line in zip(["", *lines], lines, strict=False):
            key, _, value = line.strip().partition(":")
            is_value = (
                value.strip() and key != "name" and not key.startswith(("#", "-", "defaults"))
            )
            if is_value:
                assert "  # " in line or before.strip().startswith("#"), f"{file.name}: {line}"


@pytest.mark.parametrize(
    ("choice", "key", "described"),
    [
        ("digits", "data.train_size", ("number or null", "", "400", True)),
        ("mnist", "data.download", ("true or false", "", "true", False)),
        ("image_folder", "data.root", ("text", "", "required", False)),
        ("adam", "optimiser.betas", ("list of numbers", "[0, 1)", "[0.9, 0.999]", True)),
        ("default", "train.clip", ("number or null", "> 0", "null", True)),
        ("cutout", "regulariser.size", ("number", "(0, 1]", "0.5", True)),
        ("dropout2d", "regulariser.p", ("number", "[0, 1)", "${p}", True)),
        ("dropconnect", "regulariser.mask", ("choice", "example | batch", "example", True)),
        ("", "p", ("number or null", "[0, 1]", "0.5", True)),
        ("", "seed", ("whole number", "≥ 0", "0", True)),
        ("", "threads", ("whole number or null", "> 0", "null", False)),
    ],
)
def test_a_description_has_type_range_default_and_identity(
    choice: str, key: str, described: tuple[str, str, str, bool]
) -> None:
    field = FIELDS[choice, key]
    assert (field.type, field.allowed, field.default, field.in_identity) == described


IDENTITY_CHANGES = {
    "true or false": "true",
    "number": "0.125",
    "whole number": "7",
}


@pytest.mark.parametrize(
    "field", [f for f in FIELDS.values() if f.choice in ("", "digits", "small_cnn", "default")]
)
def test_a_field_in_the_identity_changes_the_run_id_and_no_other_does(
    field: FieldDescription,
) -> None:
    value = {"runs_dir": "elsewhere", "study": "mine", "device": "cpu"}.get(field.key)
    value = value or IDENTITY_CHANGES.get(field.type.removesuffix(" or null"))
    value = value or next(c for c in field.allowed.split(" | ") if c != field.default)
    if value == field.default:
        value = "false"
    base = ["regulariser=dropout2d"]
    changed = compose_run([*base, f"{field.key}={value}"]).run_id != compose_run(base).run_id
    assert changed == field.in_identity


def test_every_group_and_choice_is_described() -> None:
    groups = {description.group: description for description in describe_groups()}
    assert {group: list(each.choices) for group, each in groups.items()} == list_groups()
    assert groups["data"].default == "digits"
    assert groups["train/early_stopping"].default == "null"
    for each in groups.values():
        assert all(text.endswith(".") for text in each.choices.values()), each
