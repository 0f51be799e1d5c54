"""Training options that regularise are chosen by name and can be turned off again."""

from dataclasses import replace

import pytest

from dropexp.config.classics import (
    CLASSICS,
    describe_classic,
    list_active_classics,
    list_varied_classics,
    turn_off_classics,
)
from dropexp.config.compose import compose_dict, compose_run
from dropexp.config.groups import list_groups
from dropexp.config.overrides import parse_override
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import extract_setting, name_settings, setting_key
from dropexp.training.loop import train
from tests.builders import build_parts

BY_HAND = {
    "none": [],
    "weight_decay": ["optimiser.weight_decay=5e-4"],
    "label_smoothing": ["train.label_smoothing=0.1"],
    "early_stopping": ["train/early_stopping=patience"],
    "max_norm": ["optimiser.max_norm=1.0"],
    "augmentation": ["data.augment=crop"],
}


def setting_of(*overrides: str) -> dict[str, object]:
    return extract_setting(compose_run(overrides).to_mapping())


def test_every_classic_is_a_choice_and_every_choice_a_classic() -> None:
    assert set(list_groups()["classic"]) == {"none", *CLASSICS} == BY_HAND.keys()


@pytest.mark.parametrize("name", BY_HAND)
def test_a_classic_is_the_same_run_as_its_option(name: str) -> None:
    chosen = compose_run([f"classic={name}"])
    assert chosen == compose_run(BY_HAND[name])
    assert "classic" not in compose_dict([parse_override(f"classic={name}")])
    assert RunConfig.from_mapping(chosen.to_mapping()).run_id == chosen.run_id


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_sets_one_option_that_can_be_turned_off_again(name: str) -> None:
    on = setting_of(f"classic={name}")
    assert list_active_classics(on) == [name]
    assert setting_key(turn_off_classics(on, [name])) == setting_key(setting_of())
    assert setting_key(turn_off_classics(on, set(CLASSICS) - {name})) == setting_key(on)
    assert compose_run([f"classic={name}", CLASSICS[name].off_override]) == compose_run([])


@pytest.mark.parametrize(
    ("overrides", "description"),
    [
        (["classic=weight_decay", "optimiser.weight_decay=1e-3"], "weight_decay=0.001"),
        (["classic=weight_decay", "optimiser=sgd"], "weight_decay=0.0005"),
        (["classic=label_smoothing", "train.label_smoothing=0.2"], "label_smoothing=0.2"),
        (
            ["classic=early_stopping", "train.early_stopping.patience=3"],
            "early_stopping patience=3",
        ),
        (
            ["train.early_stopping.min_delta=0.01", "classic=early_stopping"],
            "early_stopping patience=5 min_delta=0.01",
        ),
        (["classic=max_norm", "optimiser.max_norm=2"], "max_norm=2.0"),
        (["classic=augmentation", "data.augment=crop_flip"], "augmentation=crop_flip"),
    ],
)
def test_a_classic_is_described_with_its_changed_values(
    overrides: list[str], description: str
) -> None:
    on = setting_of(*overrides)
    assert describe_classic(list_active_classics(on)[0], on) == description


def test_early_stopping_changes_no_epoch_before_it_stops() -> None:
    overrides = ["train.epochs=9", "optimiser.lr=0.03"]
    full, stopped = (
        [replace(record, seconds=0.0) for record in train(state, plan)]
        for _, _, state, plan in (
            build_parts(*overrides),
            build_parts(*overrides, "classic=early_stopping", "train.early_stopping.patience=1"),
        )
    )
    assert len(stopped) < len(full) == 9
    assert stopped == full[: len(stopped)]


def test_a_classic_that_is_on_in_all_settings_is_not_varied() -> None:
    decayed = setting_of("classic=weight_decay")
    both = setting_of("classic=weight_decay", "train.label_smoothing=0.1")
    assert list_varied_classics([decayed]) == list_varied_classics([decayed, decayed]) == []
    assert list_varied_classics([decayed, both]) == ["label_smoothing"]
    assert list_varied_classics([decayed, both, setting_of()]) == [
        "weight_decay",
        "label_smoothing",
    ]


def test_a_varied_classic_is_named_like_a_regulariser() -> None:
    plain, decayed = setting_of(), setting_of("classic=weight_decay")
    beside = setting_of("classic=weight_decay", "regulariser=dropout2d", "p=0.3")
    stopped = setting_of("classic=early_stopping", "optimiser.weight_decay=5e-4")
    assert name_settings([plain, decayed, beside, stopped]) == [
        "none",
        "weight_decay=0.0005",
        "dropout2d p=0.3 weight_decay=0.0005",
        "weight_decay=0.0005 early_stopping patience=5",
    ]


def test_a_classic_that_is_on_in_all_settings_is_named_like_any_other_field() -> None:
    decayed = [setting_of(f"optimiser.weight_decay={value}") for value in (1e-4, 1e-3)]
    names = ["none optimiser.weight_decay=0.0001", "none optimiser.weight_decay=0.001"]
    assert name_settings(decayed) == names
    assert name_settings(decayed[:1]) == ["none"]
