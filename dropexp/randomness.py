"""Named random streams: a stream is a pure function of (seed, purpose, epoch).

No part of a run draws from a generator that another part has drawn from. So a regulariser's masks
cannot shift the order of the batches, and a resumed process trains an epoch with the same numbers
as a process that has trained all epochs before it.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

Purpose = Literal[
    "split", "label_noise", "init", "order", "augment", "masks", "audit", "mc_dropout"
]


def stream_seed(seed: int, purpose: Purpose, epoch: int = 0) -> int:
    """Return the seed of a stream, in [0, 2⁶³).

    Args:
        seed: the run's seed, or the data's; at least 0.
        purpose: what the numbers are for; streams of two purposes are independent.
        epoch: from 1; 0 for what is drawn once in a run.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, purpose: Purpose, epoch: int = 0) -> torch.Generator:
    """Return a new CPU generator at the start of the stream (seed, purpose, epoch)."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose, epoch))


@contextmanager
def global_stream(
    seed: int, purpose: Purpose, epoch: int = 0, device: torch.device | None = None
) -> Iterator[None]:
    """Put the global generators at the start of a stream inside; restore them afterwards.

    For draws that take no generator argument in torch: parameter initialisation and
    ``torch.nn.functional.dropout*``. A network or a noise of the user's may draw from NumPy's and
    Python's generators instead.

    Args:
        seed: see stream_seed.
        purpose: see stream_seed.
        epoch: see stream_seed.
        device: whose generator to set and restore beside the CPU's.
    """
    accelerators = [device] if device is not None and device.type != "cpu" else []
    device_type = accelerators[0].type if accelerators else "cuda"
    number = stream_seed(seed, purpose, epoch)
    with (
        seeded_python_and_numpy(number),
        torch.random.fork_rng(accelerators, device_type=device_type),
    ):
        _seed_generators(number)
        yield


@contextmanager
def seeded_python_and_numpy(seed: int) -> Iterator[None]:
    """Seed the global generators of Python and NumPy inside; restore them afterwards.

    Args:
        seed: at least 0.
    """
    of_python, of_numpy = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    try:
        yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)


def _seed_generators(seed: int) -> None:
    """Do as torch.manual_seed, which takes 0.2 ms even where there is no accelerator to seed."""
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
