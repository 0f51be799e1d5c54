"""The UCI optical digits, embedded in the package: data that is there without a network.

1,797 grey images of 8×8 with values from 0 to 16. Source and licence: digits_licence.txt.
"""

from pathlib import Path

import numpy as np
import torch

from dropexp.data.splits import Source, Split

TEST_SIZE = 797
"""Test images, drawn with the data seed; 1,000 are left for training and validation."""


def read() -> Source:
    """All images, uint8 (1797, 1, 8, 8), none of them set aside by the publisher."""
    with np.load(Path(__file__).with_name("digits.npz")) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return Source(
        train=Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))),
        val=None,
        test=None,
        class_names=tuple("0123456789"),
        test_size=TEST_SIZE,
    )
