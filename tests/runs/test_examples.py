"""The file of what a run keeps of its training images: nothing in it is taken on trust."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from dropexp.runs.examples import ExampleHistory

ARRAYS: dict[str, NDArray[np.generic]] = {
    "labels": np.array([0, 1, 2, 0, 1, 2, 0, 1, 2], dtype=np.int64),
    "true_labels": np.array([0, 1, 2, 0, 1, 2, 0, 1, 0], dtype=np.int64),
    "source_index": np.arange(9, dtype=np.int64),
    "fitted_bits": np.array([[255, 0], [0, 128]], dtype=np.uint8),
}


def test_a_history_survives_its_bytes() -> None:
    history = ExampleHistory.from_bytes(ExampleHistory(**ARRAYS).to_bytes())  # type: ignore[arg-type]
    assert len(history) == 9
    assert history.is_wrong.tolist() == [False] * 8 + [True]
    assert history.forgetting.events.tolist() == [1] * 8 + [0]
    assert history.forgetting.learned_at.tolist() == [1] * 8 + [2]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": None}, "has no labels"),
        ({"fitted_bits": None}, "has no fitted_bits"),
        ({"labels": np.zeros(0, dtype=np.int64)}, "labels is not one whole number"),
        ({"true_labels": np.zeros(8, dtype=np.int64)}, "true_labels is not one whole number"),
        ({"source_index": np.zeros(9)}, "source_index is not one whole number"),
        ({"fitted_bits": np.zeros((2, 1), dtype=np.uint8)}, "fitted_bits is not one bit"),
        ({"fitted_bits": np.zeros((2, 2))}, "fitted_bits is not one bit"),
        ({"fitted_bits": np.zeros((0, 2), dtype=np.uint8)}, "fitted_bits has no epoch"),
    ],
)
def test_arrays_of_another_layout_are_refused(
    changes: dict[str, NDArray[np.generic] | None], reason: str
) -> None:
    arrays = {name: array for name, array in {**ARRAYS, **changes}.items() if array is not None}
    with pytest.raises(ValueError, match=reason):
        ExampleHistory.from_bytes(save(arrays))


class Evil:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("touched"),)


HEADER = json.dumps({"labels": {"dtype": "I64", "shape": [1 << 40], "data_offsets": [0, 8]}})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"PK\x03\x04",
        pickle.dumps(Evil()),
        save(ARRAYS)[:-1],
        len(HEADER).to_bytes(8, "little") + HEADER.encode() + bytes(8),
    ],
)
def test_other_bytes_are_refused(
    raw: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="no file of safetensors"):
        ExampleHistory.from_bytes(raw)
    assert list(tmp_path.iterdir()) == []
