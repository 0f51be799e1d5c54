"""Training options that regularise, asked for by name and taken off again."""

from dataclasses import replace

import pytest

from dropexp.config.classics import CLASSICS, classics_on, in_question, in_words, without
from dropexp.config.compose import compose_run, composed
from dropexp.config.groups import groups
from dropexp.config.run_config import RunConfig
from dropexp.config.setting import identity, names, setting_fields
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
    return setting_fields(compose_run(words).to_mapping())


def test_every_classic_is_a_choice_and_every_choice_a_classic() -> None:
    assert set(groups()["classic"]) == {"none", *CLASSICS} == BY_HAND.keys()


@pytest.mark.parametrize("name", BY_HAND)
def test_a_classic_is_the_same_run_as_its_option(name: str) -> None:
    chosen = compose_run([f"classic={name}"])
    assert chosen == compose_run(BY_HAND[name])
    assert "classic" not in composed([f"classic={name}"])
    assert RunConfig.from_mapping(chosen.to_mapping()).run_id == chosen.run_id


@pytest.mark.parametrize("name", CLASSICS)
def test_a_classic_sets_one_option_that_can_be_taken_off_again(name: str) -> None:
    on = fields(f"classic={name}")
    assert classics_on(on) == [name]
    assert identity(without(on, [name])) == identity(fields())
    assert identity(without(on, set(CLASSICS) - {name})) == identity(on)
    assert compose_run([f"classic={name}", CLASSICS[name].without]) == compose_run([])


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
    assert in_words(classics_on(on)[0], on) == value


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
    assert in_question([decayed]) == in_question([decayed, decayed]) == []
    assert in_question([decayed, both]) == ["label_smoothing"]
    assert in_question([decayed, both, fields()]) == ["weight_decay", "label_smoothing"]


def test_a_classic_is_told_as_a_regulariser_is() -> None:
    plain, decayed = fields(), fields("classic=weight_decay")
    beside = fields("classic=weight_decay", "regulariser=dropout2d", "p=0.3")
    stopped = fields("classic=early_stopping", "optimiser.weight_decay=5e-4")
    assert names([plain, decayed, beside, stopped]) == [
        "none",
        "weight_decay=0.0005",
        "dropout2d p=0.3 weight_decay=0.0005",
        "weight_decay=0.0005 early_stopping patience=5",
    ]


def test_one_that_all_have_on_is_told_as_any_other_field() -> None:
    decayed = [fields(f"optimiser.weight_decay={value}") for value in (1e-4, 1e-3)]
    told = ["none optimiser.weight_decay=0.0001", "none optimiser.weight_decay=0.001"]
    assert names(decayed) == told
    assert names(decayed[:1]) == ["none"]
