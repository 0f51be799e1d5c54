"""A reader of the idx format of MNIST and Fashion-MNIST, plain or gzipped.

Big-endian: two zero bytes, the element type (8: unsigned byte), the number of dimensions, each
dimension in 4 bytes, then the values. Source: http://yann.lecun.com/exdb/mnist/
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dropexp.errors import DataError

_UNSIGNED_BYTE = 8


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """Return the array of unsigned bytes in an idx file.

    Args:
        path: of the file, gzipped if its name ends in .gz.
        dimensions: the number of dimensions that the array must have.

    Returns:
        uint8, of the shape in the header, writable.

    Raises:
        DataError: the file cannot be read, is not an idx file of unsigned bytes with this number
            of dimensions, or its length contradicts its header.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read: {error}. Delete it and download it again."
        ) from error
    start = 4 + 4 * dimensions
    if content[:4] != bytes([0, 0, _UNSIGNED_BYTE, dimensions]) or len(content) < start:
        raise DataError(
            f"{path} is not an idx file of {dimensions}-dimensional unsigned bytes. Delete it and "
            f"download it again."
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path} is damaged: its header says {math.prod(shape)} values, but it holds "
            f"{len(content) - start}. Delete it and download it again."
        )
    # Copied because an array over bytes is read-only.
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()
