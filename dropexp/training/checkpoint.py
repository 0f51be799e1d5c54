"""The state of an interrupted run as the bytes of checkpoint.pt, read with weights_only.

It holds no generator's state: every stream is a function of the seed and the epoch.
"""

import io
import pickle
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from dropexp.runs.records import OPTIONAL_COLUMNS, EpochRecord
from dropexp.training.examples import FittedExamples
from dropexp.training.state import TrainingState, clone_tensors

_FORMAT = 1


class DamagedCheckpointError(Exception):
    """The bytes are not a checkpoint of this run, so the run has to start over."""


@dataclass(frozen=True)
class Snapshot:
    """A copy of a run's state that further training does not change.

    Taking one costs the same after any number of epochs: records and fitted examples are never
    changed, so that they are made plain only when a snapshot is written.

    Attributes:
        config_hash: of the run.
        records: see TrainingState.
        model: the model's state_dict.
        optimiser: the optimiser's state_dict.
        best_weights: see TrainingState.
        fitted: see TrainingState.
    """

    config_hash: str
    records: tuple[EpochRecord, ...]
    model: dict[str, Tensor]
    optimiser: dict[str, Any]
    best_weights: dict[str, Tensor]
    fitted: FittedExamples | None

    def to_plain(self) -> dict[str, Any]:
        """Return what checkpoint.pt holds: nothing but containers, numbers, words and tensors."""
        return {
            "format": _FORMAT,
            "config_hash": self.config_hash,
            "records": [asdict(record) for record in self.records],
            "model": self.model,
            "optimiser": self.optimiser,
            "best_weights": self.best_weights,
            "fitted": None if self.fitted is None else self.fitted.to_tensor(),
        }


def take_snapshot(state: TrainingState, config_hash: str) -> Snapshot:
    """Return a copy of the state that further training does not change."""
    return Snapshot(
        config_hash=config_hash,
        records=tuple(state.records),
        model=clone_tensors(state.model.state_dict()),
        optimiser=clone_tensors(state.optimiser.state_dict()),
        best_weights=state.best_weights,  # replaced, never changed in place
        fitted=None if state.fitted is None else state.fitted.copy(),
    )


def to_bytes(snapshot: Snapshot) -> bytes:
    """Return a snapshot in torch's file format."""
    buffer = io.BytesIO()
    torch.save(snapshot.to_plain(), buffer)
    return buffer.getvalue()


def restore(state: TrainingState, raw: bytes, config_hash: str, device: torch.device) -> None:
    """Load a snapshot into a freshly built state.

    Args:
        state: from build_state for the same config.
        raw: the bytes of to_bytes.
        config_hash: of the run.
        device: of the state's model.

    Raises:
        DamagedCheckpointError: the bytes cannot be read, or belong to another run or version.
            The state may be partly loaded then; do not use it.
    """
    try:
        saved = torch.load(io.BytesIO(raw), map_location=device, weights_only=True)
        if saved["format"] != _FORMAT or saved["config_hash"] != config_hash:
            raise DamagedCheckpointError("it belongs to another run or version")
        state.model.load_state_dict(saved["model"])
        state.optimiser.load_state_dict(saved["optimiser"])
        state.best_weights = _check_weights(saved["best_weights"], state)
        state.records = [_restore_record(record) for record in saved["records"]]
        _restore_fitted(state, saved.get("fitted"))
    except _DAMAGES as error:
        reason = str(error).partition("\n")[0]
        raise DamagedCheckpointError(reason) from error


_DAMAGES = (
    *(RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, EOFError, pickle.PickleError),
)
"""What torch raises for bytes that are no state of this model; somebody may have made them so."""


def _check_weights(weights: Any, state: TrainingState) -> dict[str, Tensor]:
    """Return the weights of the best epoch; they are written to a file at the end.

    Raises:
        ValueError: they are not those of the model.
    """
    shapes = {name: each.shape for name, each in state.model.state_dict().items()}
    # Before the first epoch with a finite loss there are none.
    if weights and {name: each.shape for name, each in weights.items()} != shapes:
        raise ValueError("its best weights are not those of this model")
    return dict(weights)


def _restore_fitted(state: TrainingState, saved: Any) -> None:
    """Restore which examples were fitted; a run that has not tracked all epochs tracks none.

    Raises:
        ValueError: they are not those of the records.
    """
    if state.fitted is None:
        return
    if saved is None:
        state.fitted = None
    else:
        state.fitted.restore(saved.cpu(), epochs=len(state.records))


def _restore_record(plain: Any) -> EpochRecord:
    """Return the record of an epoch.

    Raises:
        TypeError: a value of it is no number.
    """
    record = EpochRecord(**plain)
    for name, value in asdict(record).items():
        is_absent = value is None and name in OPTIONAL_COLUMNS
        if type(value) not in ((int,) if name == "epoch" else (int, float)) and not is_absent:
            raise TypeError(f"{name} of an epoch is not a number")
    return record
