import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dropexp.data.channels import compute_channel_statistics
from dropexp.data.splits import Source, Split, Splits, make_splits
from dropexp.errors import DataError
from tests.data.examples import digits_config, numbers, random_split, source

seeds = st.integers(0, 2**32)
sizes = st.lists(st.integers(3, 40), min_size=2, max_size=5)


def divide(whole: Source, **config: Any) -> Splits:
    return make_splits(whole, digits_config(**config))


def same(one: Split, other: Split) -> bool:
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


@given(sizes, seeds)
def test_every_image_is_in_one_split_and_keeps_its_label(class_sizes: list[int], seed: int) -> None:
    whole = source(class_sizes, test_size=2)
    splits = divide(whole, val_size=2, seed=seed)
    drawn = [number for part in (splits.train, splits.val, splits.test) for number in numbers(part)]
    assert sorted(drawn) == list(range(sum(class_sizes)))
    for part in (splits.train, splits.val, splits.test):
        assert torch.equal(part.labels, whole.train.labels[numbers(part)])


@given(sizes, seeds, st.data())
def test_training_sets_are_nested_and_val_and_test_do_not_depend_on_them(
    class_sizes: list[int], seed: int, data: st.DataObject
) -> None:
    whole = source(class_sizes, test_size=2)
    left = sum(class_sizes) - 4
    small, large = sorted(data.draw(st.tuples(st.integers(1, left), st.integers(1, left))))
    one, other = (divide(whole, val_size=2, train_size=n, seed=seed) for n in (small, large))
    assert numbers(one.train) == numbers(other.train)[:small]
    assert same(one.val, other.val)
    assert same(one.test, other.test)


def test_the_test_set_does_not_depend_on_val_size() -> None:
    whole = source([30, 30], test_size=10)
    assert same(divide(whole, val_size=5).test, divide(whole, val_size=20).test)


@given(st.integers(2, 6), seeds, st.data())
def test_each_split_is_stratified_within_one_image_of_its_share(
    classes: int, seed: int, data: st.DataObject
) -> None:
    per_class = data.draw(st.integers(4, 30))
    total = classes * per_class
    part = st.integers(1, total // 3)
    test_size, val_size = data.draw(part), data.draw(part)
    train_size = data.draw(st.integers(1, total - test_size - val_size))
    splits = divide(
        source([per_class] * classes, test_size=test_size),
        val_size=val_size,
        train_size=train_size,
        seed=seed,
    )
    rest = torch.full((classes,), per_class)
    for drawn in (splits.test, splits.val, splits.train):
        counts = torch.bincount(drawn.labels, minlength=classes)
        share = rest * len(drawn) / rest.sum()
        assert (counts - share).abs().max() <= 1.5, "exact share ± 1, and rest is uneven by 1"
        rest = rest - counts


def test_ten_training_images_of_the_digits_kind_are_one_of_each_class() -> None:
    splits = divide(source([20] * 10, test_size=37), val_size=23, train_size=10)
    assert torch.bincount(splits.train.labels, minlength=10).max() <= 2
    balanced = divide(source([20] * 10, test_size=40), val_size=30, train_size=10)
    assert sorted(balanced.train.labels.tolist()) == list(range(10))


def test_the_same_seed_gives_the_same_splits_and_another_seed_others() -> None:
    whole = source([40, 40, 40], test_size=30)
    one, again, other = (divide(whole, label_noise=0.3, seed=seed) for seed in (1, 1, 2))
    for name in ("train", "val", "test"):
        assert same(getattr(one, name), getattr(again, name))
        assert sorted(numbers(getattr(one, name))) != sorted(numbers(getattr(other, name)))
    assert torch.equal(one.noisy, again.noisy)
    assert not torch.equal(one.noisy, other.noisy)


def test_noise_changes_training_labels_only() -> None:
    whole = source([50, 50], test_size=20)
    clean, noised = (divide(whole, label_noise=noise) for noise in (0.0, 0.25))
    assert not clean.noisy.any()
    assert noised.noisy.sum() == round(0.25 * len(noised.train))
    assert torch.equal(clean.train.labels != noised.train.labels, noised.noisy)
    assert torch.equal(noised.true_labels, clean.train.labels)
    assert noised.wrong_share == round(0.25 * len(noised.train)) / len(noised.train)
    assert clean.wrong_share == 0
    assert torch.equal(clean.train.images, noised.train.images)
    assert same(clean.val, noised.val)
    assert same(clean.test, noised.test)


def test_the_split_does_not_depend_on_the_noise_nor_on_the_augmentation() -> None:
    whole = source([50, 50], test_size=20)
    one = divide(whole, label_noise=0.1, augment="flip")
    other = divide(whole, label_noise=0.9)
    assert numbers(one.train) == numbers(other.train)


def test_the_publishers_test_set_is_used_as_it_is_and_changes_nothing_else() -> None:
    published = random_split([5, 5], seed=1)
    corrupted = Split(published.images, 1 - published.labels)
    one, other = (
        divide(source([30, 30], test=test), label_noise=0.2) for test in (published, corrupted)
    )
    assert same(one.test, published)
    assert same(other.test, corrupted)
    assert same(one.train, other.train)
    assert same(one.val, other.val)
    assert torch.equal(one.noisy, other.noisy)


def test_the_publishers_validation_set_is_used_as_it_is() -> None:
    val, test = random_split([4, 4], seed=1), random_split([5, 5], seed=2)
    splits = divide(dataclasses.replace(source([30, 30], test=test), val=val), val_size=20)
    assert same(splits.val, val)
    assert len(splits.train) == 60


def test_fractions_are_of_the_images_that_earlier_splits_leave() -> None:
    splits = divide(source([50, 50], test_size=20), val_size=0.25, train_size=0.5)
    assert (len(splits.test), len(splits.val), len(splits.train)) == (20, 20, 30)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {"train_size": 71, "val_size": 10},
            "data.train_size=71 is not allowed: 70 images remain after those for testing and "
            "validation, so it must be at most 70 images.",
        ),
        (
            {"val_size": 80},
            "data.val_size=80 is not allowed: of 80 images that are not test images, 1 must "
            "remain for training, so it must be at most 79 images.",
        ),
        (
            {"val_size": 0.999},
            "data.val_size=0.999 is not allowed: of 80 images that are not test images, 1 must "
            "remain for training, so it must be at most 79 images.",
        ),
        (
            {"val_size": 0.001},
            "data.val_size=0.001 is not allowed: that is 0 of 80 images; it must be at least 1.",
        ),
        (
            {"train_size": 0.001},
            "data.train_size=0.001 is not allowed: that is 0 of 64 images; it must be at least 1.",
        ),
    ],
)
def test_an_impossible_size_is_refused_with_the_limit(config: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        divide(source([50, 50], test_size=20), **config)
    assert str(caught.value) == message


def test_a_data_set_that_is_too_small_to_split_is_refused() -> None:
    with pytest.raises(DataError, match=r"data\.test_size=2 .*this data set is too small"):
        divide(source([1, 1], test_size=2))


def test_label_noise_needs_a_second_class() -> None:
    with pytest.raises(DataError, match=r"data\.label_noise=0\.5 .*one class"):
        divide(source([20], test_size=5), label_noise=0.5)


@given(seeds)
@settings(max_examples=20)
def test_normalised_training_images_have_mean_zero_and_std_one_in_each_channel(seed: int) -> None:
    splits = divide(source([30, 30], test_size=10), train_size=20, seed=seed)
    normalised = splits.normalise(splits.train.images)
    assert normalised.dtype == torch.float32
    torch.testing.assert_close(normalised.mean((0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0)
    deviation = normalised.std((0, 2, 3), correction=0)
    torch.testing.assert_close(deviation, torch.ones(2), atol=1e-5, rtol=0)


def test_statistics_are_those_of_the_training_images_and_exact() -> None:
    images = torch.randint(0, 256, (2500, 3, 5, 5), dtype=torch.uint8)
    mean, std = compute_channel_statistics(images)
    exact = images.double()
    assert torch.equal(mean, exact.mean((0, 2, 3)).float())
    torch.testing.assert_close(std, exact.std((0, 2, 3), correction=0).float(), rtol=1e-7, atol=0)


def test_a_constant_channel_is_normalised_to_zero() -> None:
    whole = source([30, 30], test_size=10)
    whole.train.select_all().images[:, 1] = 77
    splits = divide(whole)
    assert splits.std[1] == 1
    assert not splits.normalise(splits.train.images)[:, 1].any()


def test_normalising_does_not_write_to_the_images() -> None:
    splits = divide(source([30, 30], test_size=10))
    before = splits.train.images.clone()
    splits.normalise(splits.train.images)
    assert torch.equal(splits.train.images, before)


def test_splits_know_their_shape_and_move_to_a_device_as_a_whole() -> None:
    splits = divide(source([30, 30, 30], test_size=10))
    assert splits.image_shape == (2, 3, 3)
    assert splits.num_classes == 3
    moved = splits.to("meta")
    assert moved.normalise(moved.train.images).device.type == "meta"
    for part in (moved.train, moved.val, moved.test):
        assert (part.images.device.type, part.labels.device.type) == ("meta", "meta")
    assert moved.noisy.device.type == "meta"
    noised = divide(source([30, 30, 30], test_size=10), label_noise=0.2).to("meta")
    assert noised.true_labels.device.type == "meta"
    assert noised.true_labels is not noised.train.labels
    # Without noise the true labels take no memory of their own, on any device.
    for each in (splits, moved):
        assert each.true_labels is each.train.labels
