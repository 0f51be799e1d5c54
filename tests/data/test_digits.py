from difflib import SequenceMatcher

import numpy as np
import pytest
import torch

from dropexp.data import digits, load
from dropexp.errors import DataError
from tests.data.examples import digits_config, in_a_new_process


def test_the_embedded_digits_are_the_published_ones() -> None:
    from sklearn.datasets import load_digits  # 1 s, which other test processes do not need

    published = load_digits()
    train = digits.read().train.select_all()
    assert train.images.dtype == torch.uint8
    assert train.images.shape == (1797, 1, 8, 8)
    assert np.array_equal(train.images.squeeze(1).numpy(), published.images)
    assert np.array_equal(train.labels.numpy(), published.target)


def test_the_default_experiment_has_its_published_sizes() -> None:
    splits = load(digits_config(train_size=400, val_size=300, label_noise=0.2))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (400, 300, 797)
    assert splits.noisy.sum() == 80
    assert splits.image_shape == (1, 8, 8)
    assert splits.num_classes == 10


def test_a_thousand_images_are_left_beside_the_test_set() -> None:
    splits = load(digits_config(val_size=1))
    assert len(splits.train) == 999


def find_places(images: torch.Tensor) -> set[int]:
    """Return the places of images among all digits, which are all different."""
    all_images = digits.read().train.select_all().images
    same = (images[:, None] == all_images[None]).flatten(2).all(2)
    return set(same.nonzero()[:, 1].tolist())


def test_every_form_is_the_same_series_of_digits() -> None:
    labels, forms = digits.read().train.labels, digits.find_forms()
    series = ["".join(map(str, labels[forms == form].tolist())) for form in range(14)]
    assert {len(each) for each in series} <= set(range(114, 131))
    for each in series:
        assert SequenceMatcher(None, series[0], each, autojunk=False).ratio() > 0.95


def test_no_form_is_in_two_splits_if_writers_are_divided() -> None:
    forms = digits.find_forms()
    splits = load(digits_config(train_size=400, val_size=300, split="writers", seed=3))
    of_split = [
        {int(forms[place]) for place in find_places(split.images)}
        for split in (splits.train, splits.val, splits.test)
    ]
    assert (len(splits.train), len(splits.val)) == (400, 300)
    assert len(of_split[2]) == digits.FORM_TEST_GROUPS
    assert sum(map(len, of_split)) == len(set.union(*of_split))


def test_another_seed_divides_other_writers() -> None:
    first, second = (
        find_places(load(digits_config(split="writers", seed=seed)).test.images) for seed in (0, 1)
    )
    assert first != second


def test_too_large_a_size_is_refused_if_writers_are_divided() -> None:
    with pytest.raises(DataError, match=r"data\.train_size=1200 is not allowed.*at most"):
        load(digits_config(train_size=1200, val_size=300, split="writers"))


def test_loading_imports_neither_torchvision_nor_pillow_nor_scikit_learn() -> None:
    imported = in_a_new_process("""
import sys
from dropexp.data import load
from tests.data.examples import digits_config
for name in ("PIL", "torchvision", "sklearn"): sys.modules.pop(name, None)
before = set(sys.modules)
load(digits_config())
unwanted = {"PIL", "torchvision", "sklearn", "scipy"}
print(sorted(unwanted & {name.split(".")[0] for name in set(sys.modules) - before}))
""")
    assert imported == "[]"
