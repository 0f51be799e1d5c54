"""Stop at SIGTERM as at Ctrl-C, so that runs save their state when a batch system ends them."""

import signal


def interrupt_at_sigterm() -> None:
    """Raise KeyboardInterrupt in the main thread when SIGTERM comes."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt
