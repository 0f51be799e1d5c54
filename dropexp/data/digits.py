"""The UCI optical digits, which are embedded in the package and need no download.

1,797 grey images of 8×8 with values from 0 to 16. Source and licence: digits_licence.txt.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from dropexp.data.splits import Source, Split

COUNT = 1797
"""Number of images."""

_FORM_STARTS = (0, 130, 256, 386, 516, 646, 776, 906, 1029, 1157, 1287, 1415, 1545, 1667)
"""The first image of each form.

The publishers name no writers, but the images are in the order of the forms that they were cut
from: the same series of 130 digits begins 14 times, with a few digits missing. There are 13
writers, so one of them has filled in two forms; which one cannot be told.
"""

FORM_TEST_GROUPS = 4
"""Number of forms that are the test set under ``split=writers``: about 515 images."""

TEST_SIZE = 797
"""Number of test images, drawn with data.seed; 1,000 are left for training and validation."""


def read(split: Literal["images", "writers"] = "images") -> Source:
    """Return all images, uint8 (1797, 1, 8, 8), as training images; none are set aside.

    Args:
        split: "writers" adds the form of each image, as groups that are not divided.
    """
    with np.load(Path(__file__).with_name("digits.npz")) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    return Source(
        train=Split(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64))),
        val=None,
        test=None,
        class_names=tuple("0123456789"),
        test_size=TEST_SIZE,
        groups=find_forms() if split == "writers" else None,
        test_groups=FORM_TEST_GROUPS,
    )


def find_forms() -> torch.Tensor:
    """Return the form that each image was cut from, int64 (1797,), from 0 to 13."""
    ends = [*_FORM_STARTS[1:], COUNT]
    sizes = [end - start for start, end in zip(_FORM_STARTS, ends, strict=True)]
    return torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
