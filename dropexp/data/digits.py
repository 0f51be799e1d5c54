"""The UCI optical digits, which are embedded in the package and need no download.

1,797 grey images of 8×8 with values from 0 to 16. Source and licence: digits_licence.txt.
"""

from pathlib import Path

import numpy as np
import torch

from dropexp.data.splits import Source, Split

TEST_SIZE = 797
"""Number of test images, drawn with data.seed; 1,000 are left for training and validation."""


def read() -> Source:
    """Return all images, uint8 (1797, 1, 8, 8), as training images; none are set aside."""
    with np.load(Path(__file__).with_name("digits.npz")) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return Source(
        train=Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))),
        val=None,
        test=None,
        class_names=tuple("0123456789"),
        test_size=TEST_SIZE,
    )
