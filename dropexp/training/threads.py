"""How many CPU threads a run gets: by its work and the machine's cores. Imports no torch.

One rule for every command, so that a run id has the same numbers in all of them on one machine:
another number of threads sums in another order.
"""

import os
from pathlib import Path

from dropexp.config.run_config import RunConfig
from dropexp.training.work import estimate_layer_work

WORK_OF_A_THREAD = 250_000_000
"""Multiply-adds of a layer, forward, for a batch, that make a thread worth its waiting: 3 ms.

Two threads are 1.9 times as fast as one with the small CNN at 28×28 and a batch of 64 (1.2 billion
multiply-adds a layer), 1.7 times with the default job (0.1 billion) and not faster with an MLP.
Where they gain less, two runs of one thread, or one that evaluates on the other core, gain more.
"""

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""A container's limit: microseconds of processor time a period, and the period ("max 100000")."""


_LOAD = Path("/proc/loadavg")
"""Of Linux; its fourth field begins with the number of threads that run or are ready to."""


def choose_threads(config: RunConfig) -> int:
    """Return the CPU threads of a run: the config's, or one for each share of its work.

    It depends on nothing but the config and the cores that this process may use.
    """
    if config.threads is not None:
        return config.threads
    return max(1, min(count_cores(), int(estimate_layer_work(config) / WORK_OF_A_THREAD)))


def has_free_core(threads: int, *, shares_cores: bool) -> bool:
    """Return whether there is a core for every thread of a second computation of this process.

    Args:
        threads: of each of the two computations.
        shares_cores: whether other runs are to use the cores that this one leaves free; then they
            must be idle at this moment.
    """
    cores = count_cores()
    if cores < 2 * threads:
        return False
    return not shares_cores or _count_running(if_unknown=cores) + threads <= cores


def _count_running(if_unknown: int) -> int:
    """Return how many threads of this machine are running or ready; ``if_unknown`` if unknown."""
    try:
        running, _, _ = _LOAD.read_text(encoding="ascii").split()[3].partition("/")
        return int(running)
    except (OSError, ValueError, IndexError):
        return if_unknown


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
