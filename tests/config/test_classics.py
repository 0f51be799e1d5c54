"""Training options that regularise, asked for by name and taken off again."""

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
    "augmentation": ["data.augment=crop"],
}


def fields(*words: str) -> dict[str, object]:
    return extract_setting(compose_run(words).to_mapping())


def test_every_classic_is_a_choice_and_every_choice_a_classic() -> None:
    assert set(list_groups()["classic"]) == {"none", *CLASSICS} == BY_HAND.keys()


@pytest.mark.parametrize("name", BY_HAND)
def test_a_classic_is_the_same_run_as_its_option(name: str) -> None:
    chosen = compose_run([f"classic={name}"])
    assert chosen == compose_run(BY_HAND[name])
    assert "classic" not in compose_dict([parse_override(f"classic={name}")])
    assert RunConfig.from_mapping(chosen.to_mapping()).run_id == chosen.run_id


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_sets_one_option_that_can_be_taken_off_again(name: str) -> None:
    on = fields(f"classic={name}")
    assert list_active_classics(on) == [name]
    assert setting_key(turn_off_classics(on, [name])) == setting_key(fields())
    assert setting_key(turn_off_classics(on, set(CLASSICS) - {name})) == setting_key(on)
    assert compose_run([f"classic={name}", CLASSICS[name].off_override]) == compose_run([])


@pytest.mark.parametrize(
    ("words", "value"),
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
        (["classic=augmentation", "data.augment=crop_flip"], "augmentation=crop_flip"),
    ],
)
def test_a_choice_can_be_changed_and_is_told_in_words(words: list[str], value: str) -> None:
    on = fields(*words)
    assert describe_classic(list_active_classics(on)[0], on) == value


def test_early_stopping_leaves_a_run_as_it_is_until_it_ends_it() -> None:
    """What tables say of it: so nothing is won at the best epoch."""
    words = ["train.epochs=9", "optimiser.lr=0.03"]
    full, stopped = (
        [replace(record, seconds=0.0) for record in train(state, plan)]
        for _, _, state, plan in (
            build_parts(*words),
            build_parts(*words, "classic=early_stopping", "train.early_stopping.patience=1"),
        )
    )
    assert len(stopped) < len(full) == 9
    assert stopped == full[: len(stopped)]


def test_what_all_have_on_is_not_in_question() -> None:
    decayed = fields("classic=weight_decay")
    both = fields("classic=weight_decay", "train.label_smoothing=0.1")
    assert list_varied_classics([decayed]) == list_varied_classics([decayed, decayed]) == []
    assert list_varied_classics([decayed, both]) == ["label_smoothing"]
    assert list_varied_classics([decayed, both, fields()]) == ["weight_decay", "label_smoothing"]


def test_a_classic_is_told_as_a_regulariser_is() -> None:
    plain, decayed = fields(), fields("classic=weight_decay")
    beside = fields("classic=weight_decay", "regulariser=dropout2d", "p=0.3")
    stopped = fields("classic=early_stopping", "optimiser.weight_decay=5e-4")
    assert name_settings([plain, decayed, beside, stopped]) == [
        "none",
        "weight_decay=0.0005",
        "dropout2d p=0.3 weight_decay=0.0005",
        "weight_decay=0.0005 early_stopping patience=5",
    ]


def test_one_that_all_have_on_is_told_as_any_other_field() -> None:
    decayed = [fields(f"optimiser.weight_decay={value}") for value in (1e-4, 1e-3)]
    told = ["none optimiser.weight_decay=0.0001", "none optimiser.weight_decay=0.001"]
    assert name_settings(decayed) == told
    assert name_settings(decayed[:1]) == ["none"]
