import numpy as np
import torch

from dropexp.data import digits, load
from tests.data.examples import digits_config, in_a_new_process


def test_the_embedded_digits_are_the_published_ones() -> None:
    from sklearn.datasets import load_digits  # 1 s, which other test processes do not need

    published = load_digits()
    train = digits.read().train
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
