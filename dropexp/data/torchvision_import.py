"""``import torchvision`` beside a torch that its compiled operators were not built for.

The package index has one torchvision wheel, built for CUDA. Beside a CPU-only torch its library
of operators does not load, for want of CUDA's libraries. torchvision tolerates that, up to the
line where it describes two of these operators, nms and qnms, to torch's tracer: torch knows no
such operators, and the import ends in "operator torchvision::nms does not exist".

dropexp uses torchvision's data sets, transforms and models, which are plain Python. So where the
import fails for that reason, and only there, the two operators are declared, by name and types
and with nothing behind them, and the import is tried again. Calling them stays an error, with
torchvision's own explanation. Where torchvision imports by itself, nothing is touched.
"""

import importlib
import sys
from types import ModuleType

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# The declarations last as long as this object does.
_declared: torch.library.Library | None = None


def import_torchvision() -> ModuleType:
    """The package torchvision, imported on the first call (which takes about a second).

    Afterwards ``import torchvision`` works anywhere in the process.

    Raises:
        ImportError, RuntimeError: torchvision is not installed, or does not fit this torch for
            another reason than that its operators cannot be loaded.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if not _is_for_want_of_operators(error):
            raise
    _forget_half_imported()
    _declare_operators()
    return importlib.import_module("torchvision")


def _is_for_want_of_operators(error: RuntimeError) -> bool:
    return "operator torchvision::" in str(error) and "does not exist" in str(error)


def _forget_half_imported() -> None:
    # A module whose import fails is dropped by Python, but not the submodules that it had already
    # imported; a second import would find those and skip what they do for their parent.
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_operators() -> None:
    global _declared
    if _declared is None:
        # A fragment, since torchvision's own library, if it is ever loaded, owns the namespace.
        _declared = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _OPERATORS:
            _declared.define(schema)
