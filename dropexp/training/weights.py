"""The file of a finished run's weights, those at its best epoch: model.safetensors."""

from collections.abc import Mapping

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from dropexp.config.parsing import read_limited
from dropexp.errors import StoreError
from dropexp.runs.files import WEIGHTS
from dropexp.runs.parsing import limit_weights
from dropexp.runs.write import RunFolder


def write_weights(folder: RunFolder, weights: Mapping[str, Tensor]) -> None:
    """Write a model's state_dict, on the disk before the run is finished; none where it is empty.

    Raises:
        StoreError: the disk is full, or the folder cannot be written.
    """
    if weights:
        contiguous = {name: weight.contiguous() for name, weight in weights.items()}
        folder.write(WEIGHTS, save(contiguous), is_promised=False)


def read_weights(folder: RunFolder, parameters: int) -> dict[str, Tensor]:
    """Return the state_dict that write_weights wrote.

    Args:
        folder: of the run.
        parameters: how many the network has.

    Raises:
        StoreError: the file is missing or damaged.
    """
    path = folder.path / WEIGHTS
    try:
        return load(read_limited(path, limit_weights(parameters)))
    except (OSError, StoreError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(
            f"{path}, which mc_dropout needs, cannot be read: {reason}. "
            f"Train this run again with force=true."
        ) from None
