"""What a run keeps of each training example: whether it was fitted after each epoch.

The file is examples.safetensors: numbers only, of a fixed layout, nothing packed. Imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dropexp.errors import StoreError
from dropexp.runs.durable import compute_digest
from dropexp.runs.files import EXAMPLES
from dropexp.runs.read import StoredRun
from dropexp.statistics import Forgetting, count_forgetting

_LABELS = ("labels", "true_labels", "source_index")
_REMEDY = "force=true track_examples=true trains the run again and keeps them"


@dataclass(frozen=True, eq=False)
class ExampleHistory:
    """The training examples of a run, N of them, over its epochs.

    Attributes:
        fitted_bits: uint8 (epochs, ⌈N/8⌉), a bit for each example, as numpy.packbits packs them:
            whether the network predicts the label that it is trained on, in eval mode after the
            epoch.
        labels: int64 (N,), the labels trained on.
        true_labels: int64 (N,), the labels before label noise.
        source_index: int64 (N,), the place of each example among the training images of its
            source; seeds that draw other training sets have other places.
    """

    fitted_bits: NDArray[np.uint8]
    labels: NDArray[np.int64]
    true_labels: NDArray[np.int64]
    source_index: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of examples, N."""
        return len(self.labels)

    @property
    def is_wrong(self) -> NDArray[np.bool_]:
        """Bool (N,), whether label noise has made the label wrong."""
        return np.not_equal(self.labels, self.true_labels)

    @cached_property
    def forgetting(self) -> Forgetting:
        """What was learned and forgotten of each example."""
        fitted = np.unpackbits(self.fitted_bits, axis=1, count=len(self))
        return count_forgetting(fitted.astype(np.bool_))

    def to_bytes(self) -> bytes:
        """Return the content of examples.safetensors."""
        arrays = {name: getattr(self, name) for name in (*_LABELS, "fitted_bits")}
        return save(arrays)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "ExampleHistory":
        """Return the history of the bytes that to_bytes returned.

        Raises:
            ValueError: they are not of this layout.
        """
        try:
            arrays = load(raw)
        except (SafetensorError, KeyError, TypeError) as error:
            raise ValueError(f"it is no file of safetensors: {error}") from None
        _check(arrays)
        return cls(**{name: arrays[name] for name in (*_LABELS, "fitted_bits")})


def _check(arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Check the names, types and shapes of arrays.

    Raises:
        ValueError: names an array that is not as it must be.
    """
    for name in (*_LABELS, "fitted_bits"):
        if name not in arrays:
            raise ValueError(f"it has no {name}")
    count = arrays["labels"].size
    bits = arrays["fitted_bits"]
    for name in _LABELS:
        if arrays[name].dtype != np.int64 or arrays[name].shape != (count,) or not count:
            raise ValueError(f"{name} is not one whole number for each example")
    if bits.dtype != np.uint8 or bits.ndim != 2 or bits.shape[1] != -(-count // 8):
        raise ValueError("fitted_bits is not one bit for each epoch and example")
    if not len(bits):
        raise ValueError("fitted_bits has no epoch")


def read_examples(run: StoredRun) -> ExampleHistory:
    """Return the history of a finished run's examples.

    Raises:
        StoreError: the run has not kept it, or the file is missing or damaged.
    """
    digest = run.read_summary().files.get(EXAMPLES)
    if digest is None:
        raise StoreError(f"{run.run_id} was trained without track_examples=true; {_REMEDY}.")
    path = run.path / EXAMPLES
    try:
        raw = run.read_bytes(EXAMPLES)
    except FileNotFoundError:
        raise StoreError(f"{path} was removed; {_REMEDY}.") from None
    if compute_digest(raw) != digest:
        raise StoreError(
            f"{path} is damaged: it does not agree with its checksum in summary.json; {_REMEDY}."
        )
    try:
        return ExampleHistory.from_bytes(raw)
    except ValueError as error:
        raise StoreError(f"{path} is damaged: {error}; {_REMEDY}.") from None
