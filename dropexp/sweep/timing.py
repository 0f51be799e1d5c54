"""Time an epoch of runs that no finished run is like, in a process that has torch."""

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from dropexp.config.run_config import RunConfig
from dropexp.sweep.run_process import end_with_parents, get_context

_SECONDS = 10.0
"""In all. What is left then is estimated from runs that are like it but for the regulariser."""

_SECONDS_TO_START = 30.0
"""For importing torch and reading the data."""


def time_epochs(configs: Sequence[RunConfig]) -> list[float | None]:
    """Return the seconds that an epoch of each config takes; None where it could not be timed.

    Nothing is downloaded, and nothing is written.

    Args:
        configs: the most informative first, as the time for all of them is limited.
    """
    found: list[float | None] = []
    if not configs:
        return found
    receiver, sender = get_context().Pipe(duplex=False)
    process = get_context().Process(target=_time, args=(list(configs), sender), daemon=True)
    with sender:
        process.start()
    with receiver:
        end = time.monotonic() + _SECONDS_TO_START + _SECONDS
        try:
            while len(found) < len(configs) and receiver.poll(max(0.0, end - time.monotonic())):
                found.append(receiver.recv())
        except EOFError:  # its time is over, or it was killed
            pass
        finally:
            process.kill()
            process.join()
    return [*found, *[None] * (len(configs) - len(found))]


def _time(configs: Sequence[RunConfig], sender: Connection) -> None:
    """Send the seconds of an epoch of each config until the time is over: the process's target."""
    threading.Thread(target=end_with_parents, daemon=True).start()
    with Path(os.devnull).open("wb") as nowhere:
        for output in (1, 2):
            os.dup2(nowhere.fileno(), output)
    from dropexp.training.timing import time_epoch  # imports torch, which the process has

    end = time.monotonic() + _SECONDS
    for config in configs:
        left = end - time.monotonic()
        if left <= 0:
            return
        seconds = None
        with suppress(Exception):  # the sweep itself says what is wrong
            seconds = time_epoch(config, left)
        sender.send(seconds)
