"""How many runs this machine trains at a time, and on which devices."""

import os
from collections.abc import Sequence
from pathlib import Path

from dropexp.config.run_config import RunConfig

_CUDA_DRIVERS = ("/dev/nvidiactl", "/dev/dxg")
"""Of Linux, and of Linux within Windows. Where neither exists, torch need not be asked (1 s)."""

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""A container's limit: microseconds of processor time a period, and the period ("max 100000")."""


def count_slots(configs: Sequence[RunConfig]) -> int:
    """Return how many runs this machine should train at a time.

    One on each CUDA device if the runs may use them; otherwise one on each core, of one thread
    each unless the configs ask for more.
    """
    threads = max((config.threads or 1 for config in configs), default=1)
    return len(list_cuda_devices(configs)) or max(1, count_cores() // threads)


def list_cuda_devices(configs: Sequence[RunConfig]) -> list[str]:
    """Return the CUDA devices to spread the runs over; none if their configs choose otherwise."""
    if not configs or {config.device for config in configs} - {"auto", "cuda"}:
        return []
    if not any(Path(driver).exists() for driver in _CUDA_DRIVERS):
        return []
    import torch

    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def refuse_missing_devices(configs: Sequence[RunConfig]) -> None:
    """Check the devices that the configs name, on this machine.

    Raises:
        DeviceError: one of them is not there.
    """
    named = {config.device for config in configs} - {"auto", "cpu"}
    if named:
        from dropexp.training.environment import select_device

        for device in sorted(named):
            select_device(device)


def count_cores() -> int:
    """Return how many processor cores this process may use, by its affinity and its cgroup."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = _CGROUP_QUOTA.read_text(encoding="utf-8").split()
        limit = -(-int(quota) // int(period))
    except (OSError, ValueError):
        return cores
    return max(1, min(cores, limit))
