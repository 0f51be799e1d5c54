"""Import once what every run needs; a sweep's fork server imports this module and forks runs.

Only the fork server imports it (see run_process.py): importing has side effects.
"""

import gc
import os
import signal
import threading

from dropexp.runs.source_commit import find_source_commit
from dropexp.training.startup import shorten_waits

_SECONDS_BETWEEN_LOOKS = 0.05

# As start_fork_server does for the first server; this is for one that replaces a killed one.
signal.signal(signal.SIGINT, signal.SIG_IGN)

# A process in which these libraries have started threads cannot be forked safely.
shorten_waits()
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

_sweep = os.getppid()
_is_imported = threading.Event()


def _end_with_the_sweep() -> None:
    """End the import if the sweep ends first; later, multiprocessing itself sees to that."""
    while not _is_imported.wait(_SECONDS_BETWEEN_LOOKS):
        if os.getppid() != _sweep:
            os._exit(1)


_watcher = threading.Thread(target=_end_with_the_sweep, daemon=True)
_watcher.start()
# Git takes 25 ms, which no run has to wait for.
_commit = threading.Thread(target=find_source_commit, daemon=True)
_commit.start()
try:
    # Importing creates no garbage; without the collector it takes 1.51 s, not 1.78 s.
    gc.disable()
    # The picture of each run's first images: 30 ms of processor time a run.
    from PIL import Image

    import dropexp.data.digits
    import dropexp.sweep.training_job
    import dropexp.training.recorder  # noqa: F401
    from dropexp.training.environment import find_versions

    Image.preinit()
    find_versions()  # of packages, from many small files: 10 ms a run
finally:
    gc.enable()
    _is_imported.set()
    _watcher.join()  # no thread may live when the first run is forked
    _commit.join()
# Without this, the collector of each run would traverse these objects once (0.2 s).
gc.freeze()
