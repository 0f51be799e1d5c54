"""Named random streams: a stream is a pure function of (seed, purpose, epoch).

Nothing in a run draws from a generator that another part has drawn from before, so that a
regulariser's masks cannot shift the order of the batches, and an epoch is the same whether
the process that trains it has trained the epochs before or has just been started again.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Purpose = Literal[
    "split", "label_noise", "init", "order", "augment", "masks", "audit", "mc_dropout"
]


def stream_seed(seed: int, purpose: Purpose, epoch: int = 0) -> int:
    """The 63-bit seed of a stream.

    Args:
        seed: the run's seed (or the data's), any non-negative integer.
        purpose: what the numbers are for; streams of two purposes are independent.
        epoch: 0 for what happens once in a run, else the epoch, counted from 1.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(seed: int, purpose: Purpose, epoch: int = 0) -> torch.Generator:
    """A fresh CPU generator for the stream (seed, purpose, epoch)."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose, epoch))


@contextmanager
def global_stream(
    seed: int, purpose: Purpose, epoch: int = 0, device: torch.device | None = None
) -> Iterator[None]:
    """Make torch's global generators a stream, and give them back as they were.

    For the draws that torch offers no generator argument for: parameter initialisation and
    ``torch.nn.functional.dropout*``.
    """
    accelerators = [device] if device is not None and device.type != "cpu" else []
    device_type = accelerators[0].type if accelerators else "cuda"
    with torch.random.fork_rng(accelerators, device_type=device_type):
        torch.manual_seed(stream_seed(seed, purpose, epoch))
        yield
