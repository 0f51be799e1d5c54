"""How many runs this machine trains at a time, and on which devices."""

from collections.abc import Sequence
from pathlib import Path

from dropexp.config.run_config import RunConfig
from dropexp.training.threads import choose_threads, count_cores

_CUDA_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")
"""Of Linux, and of Linux within Windows. Where neither exists, torch need not be asked (1 s)."""


def count_slots(configs: Sequence[RunConfig]) -> int:
    """Return how many runs this machine should train at a time.

    One on each CUDA device if the runs may use them; otherwise as many as have cores for the
    threads of each, by the run with the most.
    """
    threads = max(map(choose_threads, configs), default=1)
    return len(list_cuda_devices(configs)) or max(1, count_cores() // threads)


def list_cuda_devices(configs: Sequence[RunConfig]) -> list[str]:
    """Return the CUDA devices to spread the runs over; none if their configs choose otherwise."""
    if not configs or {config.device for config in configs} - {"auto", "cuda"}:
        return []
    if not any(Path(driver).exists() for driver in _CUDA_DRIVERS):
        return []
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
