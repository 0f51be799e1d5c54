"""A progress bar in a notebook, which is updated in place."""

import time
from html import escape
from importlib import import_module
from typing import Any

_SECONDS_BETWEEN_UPDATES = 0.25


class NotebookBar:
    """One progress bar of a notebook's cell; it appears when it is shown for the first time."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._next = 0.0

    def show(self, text: str, share: float) -> None:
        """Update the bar, unless it was updated a moment ago; at the end in any case.

        Args:
            text: beside the bar.
            share: the fraction that is done, in [0, 1].
        """
        now = time.monotonic()
        if now < self._next and share < 1:
            return
        self._next = now + _SECONDS_BETWEEN_UPDATES
        content = {
            "text/html": (
                f'<div><progress value="{share:.4f}" max="1" style="width:18em"></progress> '
                f"<span>{escape(text)}</span></div>"
            ),
            "text/plain": f"{share:4.0%}  {text}",
        }
        if self._handle is None:
            display = import_module("IPython.display").display
            self._handle = display(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)
