"""dropexp: which regulariser, at which strength, makes this network generalise better?

From Python, ``regularise`` puts a regulariser into any network and ``plain`` takes it out. Both
import torch on first use, so that importing this package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropexp.models.adapter import plain as plain
    from dropexp.models.adapter import regularise as regularise

__version__ = "0.1.0"

__all__ = ["__version__", "plain", "regularise"]


def __getattr__(name: str) -> Any:
    if name not in ("plain", "regularise"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("dropexp.models.adapter"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
