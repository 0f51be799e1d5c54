"""The pictures of a finished run's training images, loaded again."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dropexp import data
from dropexp.config.data_section import DataConfig
from dropexp.errors import DataError
from dropexp.runs.examples import ExampleHistory
from dropexp.training.tensorboard_values import stretch_dark, to_bytes


def load_pictures(
    config: DataConfig, history: ExampleHistory, places: Sequence[int]
) -> tuple[list[NDArray[np.uint8]], tuple[str, ...]]:
    """Return pictures of some training images, and the names of the classes.

    Args:
        config: the data section of the run.
        history: of the run, whose labels the data must have.
        places: of the images among the run's training images.

    Returns:
        For each image uint8 (H, W, 1 or 3), and a name for each label.

    Raises:
        DataError: the data set is missing, or is not the one that the run was trained on.
    """
    splits = data.load(config)
    labels = torch.from_numpy(history.labels)
    if len(labels) != len(splits.train) or not bool((labels == splits.train.labels).all()):
        raise DataError(
            f"data={config.name} is not what this run was trained on: its labels are others. "
            f"Without --page no images are needed."
        )
    chosen: Tensor = splits.train.images[torch.tensor(places)]
    pictures = stretch_dark(to_bytes(chosen)).permute(0, 2, 3, 1).numpy()
    return list(pictures), splits.class_names
