"""Check once, before a sweep launches anything, that its runs have their data and their device."""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

from dropexp.config.run_config import RunConfig
from dropexp.errors import UserError
from dropexp.loggers.registry import list_destinations, refuse_missing_packages
from dropexp.sweep.run_process import end_with_parents, get_context, start_fork_server

_SECONDS_UNTIL_NOTE = 5.0

_met: set[object] = set()
"""What was there when this process last asked: a search asks before each batch of runs."""


class _NoteView(Protocol):
    def note(self, message: str) -> None:
        """Receive a message for the user."""


def refuse_unmet(configs: Sequence[RunConfig], view: _NoteView) -> None:
    """Check on this machine that runs have their data and their device; each is checked once.

    A process that has torch reads the data, and downloads what is missing. The pictures of a
    folder are counted, not decoded.

    Args:
        configs: of the runs to launch.
        view: is told if it takes long.

    Raises:
        UserError: what training the first of them that lacks something would raise.
    """
    refuse_missing_packages(each for config in configs for each in list_destinations(config.logger))
    needs = {need: config for config in configs for need in _list_needs(config)}
    lacking = {need: config for need, config in needs.items() if need not in _met}
    if not lacking:
        return
    error = _check_elsewhere(list({id(one): one for one in lacking.values()}.values()), view)
    if error is not None:
        raise error
    _met.update(lacking)


def _list_needs(config: RunConfig) -> tuple[object, object]:
    """Return the data, whose seed changes no size, and the device with what is asked of it."""
    data = config.data.model_copy(update={"seed": 0, "augment": "none"})
    train = config.train
    # As text: the options of a function are a dictionary, which is not hashable.
    return data.model_dump_json(), (
        config.device,
        config.precision,
        train.compile,
        train.cuda_graphs,
    )


def _check_elsewhere(configs: Sequence[RunConfig], view: _NoteView) -> UserError | None:
    start_fork_server()  # if it has not started yet
    receiver, sender = get_context().Pipe(duplex=False)
    process = get_context().Process(target=_check, args=(configs, sender), daemon=True)
    with sender:
        process.start()
    with receiver:
        try:
            if not receiver.poll(_SECONDS_UNTIL_NOTE):
                view.note("reading the data of the runs; a download may take minutes")
            error = receiver.recv()
            assert error is None or isinstance(error, UserError)
            return error
        except EOFError:  # it was killed, or met a defect: the runs say what is wrong
            return None
        finally:
            process.kill()
            process.join()


def _check(configs: Sequence[RunConfig], sender: Connection) -> None:
    """Send the error that training would raise, or None: the target of the process."""
    threading.Thread(target=end_with_parents, daemon=True).start()
    with Path(os.devnull).open("wb") as nowhere:
        for output in (1, 2):
            os.dup2(nowhere.fileno(), output)
    from dropexp import data  # imports torch, which the process has
    from dropexp.training.compiling import refuse_unavailable
    from dropexp.training.environment import select_device

    error: UserError | None = None
    with suppress(Exception):
        try:
            for config in configs:
                refuse_unavailable(config, select_device(config.device))
            data.check([config.data for config in configs])
        except UserError as found:
            error = found
        sender.send(error)
