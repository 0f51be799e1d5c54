import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dropexp.data.idx import read_idx
from dropexp.errors import DataError
from tests.data.examples import idx_bytes

arrays = npst.arrays(np.uint8, npst.array_shapes(min_dims=1, max_dims=3, max_side=6))


@given(array=arrays, zipped=st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_written_array_is_read_back(
    array: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], zipped: bool, tmp_path: Path
) -> None:
    path = tmp_path / ("some-ubyte.gz" if zipped else "some-ubyte")
    path.write_bytes(gzip.compress(idx_bytes(array)) if zipped else idx_bytes(array))
    read = read_idx(path, array.ndim)
    assert np.array_equal(read, array)
    assert read.flags.writeable


WHOLE = idx_bytes(np.arange(6, dtype=np.uint8).reshape(1, 2, 3))
SIGNED = WHOLE[:2] + b"\x09" + WHOLE[3:]


DAMAGED = {
    "cut": (WHOLE[:-1], "its header says 6 values, but it holds 5"),
    "long": (WHOLE + b"x", "its header says 6 values, but it holds 7"),
    "short-header": (WHOLE[:9], "not an idx file of 3-dimensional"),
    "empty": (b"", "not an idx file"),
    "text": (b"<html>not found</html>", "not an idx file"),
    "signed": (SIGNED, "not an idx file of 3-dimensional unsigned bytes"),
    "labels": (idx_bytes(np.zeros(5, np.uint8)), "not an idx file of 3-dimensional"),
    "cut.gz": (gzip.compress(WHOLE)[:-9], "cannot be read"),
    "not.gz": (WHOLE, "cannot be read"),
    "bad-sum.gz": (gzip.compress(WHOLE)[:-8] + bytes(8), "cannot be read"),
    "bad-code.gz": (gzip.compress(WHOLE)[:10] + b"\xff" * 20, "cannot be read"),
}


# By name: the bytes of a gzip file hold the time, and the test's id must not.
@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    content, reason = DAMAGED[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="absent"):
        read_idx(tmp_path / "absent", 1)
