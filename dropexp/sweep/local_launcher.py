"""Trains runs on this machine, a few at a time."""

from collections import deque
from collections.abc import Iterator, Sequence

from dropexp.sweep.jobs import Job, Outcome
from dropexp.sweep.run_process import RunProcess


class LocalLauncher:
    """Trains runs on this machine, each in a process of its own.

    Args:
        name: the choice of hydra/launcher.
        runs_at_a_time: at least 1.
        devices: to spread the runs over; empty leaves the choice to their configs.
    """

    def __init__(self, name: str, runs_at_a_time: int, devices: Sequence[str]) -> None:
        self.name = name
        self.runs_at_a_time = runs_at_a_time
        self._devices = [
            devices[slot % len(devices)] if devices else None for slot in range(runs_at_a_time)
        ]
        self._overlaps = runs_at_a_time > 1
        self._running: dict[RunProcess, str | None] = {}
        self._is_closed = False
        self._is_stopped = False

    def launch(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Train the runs, as many at a time as there are slots.

        Where several train at a time on the CPU, one that has trained its last epoch makes room for
        the next, which starts while it is measured and written. On a device both would need memory.
        """
        waiting, free = deque(jobs), deque(self._devices)
        finishing: set[RunProcess] = set()
        try:
            while waiting or self._running:
                while waiting and free and not self._is_closed:
                    job = waiting.popleft()
                    outcome = job.find_outcome(is_stopped=self._is_stopped)
                    if outcome is not None:
                        yield outcome
                    else:
                        device = free.popleft()
                        self._running[RunProcess(job, device)] = device
                if self._is_closed or not self._running:
                    return
                for process, has_ended in RunProcess.wait_for_any(self._running).items():
                    device = self._running[process]
                    makes_room = has_ended or (self._overlaps and device is None)
                    if makes_room and process not in finishing:
                        finishing.add(process)
                        free.append(device)
                    if has_ended:
                        finishing.discard(process)
                        del self._running[process]
                        yield process.wait()
        finally:
            self._kill()
            self._running.clear()

    def stop(self) -> None:
        """Start no more runs, even if the stop file could not be written."""
        self._is_stopped = True

    def close(self) -> None:
        """Kill the runs; launch(), which may be going on in another thread, starts no more."""
        self._is_closed = True
        self._kill()

    def _kill(self) -> None:
        for process in list(self._running):
            process.kill()
