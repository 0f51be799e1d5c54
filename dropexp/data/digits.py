"""The UCI optical digits, embedded in the package, so that no network is needed.

1,797 grey images of 8×8 with values from 0 to 16. Source and licence: digits_licence.txt.
"""

from pathlib import Path

import numpy as np
import torch

from dropexp.data.splits import Source, Split

TEST_SIZE = 797
"""Number of test images, drawn with data.seed; 1,000 are left for training and validation."""


def read() -> Source:
    """Read all images, uint8 (1797, 1, 8, 8); the publisher sets no test images aside."""
    with np.load(Path(__file__).with_name("digits.npz")) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return Source(
        train=Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))),
        val=None,
        test=None,
        class_names=tuple("0123456789"),
        test_size=TEST_SIZE,
    )
