"""``import torchvision`` beside a CPU-only torch.

The torchvision wheel of the package index is built for CUDA. Beside a CPU-only torch its library
of compiled operators does not load, as CUDA's libraries are missing. torchvision tolerates that
until it registers two of the operators, nms and qnms, with torch's tracer: torch does not know
them, and the import raises "operator torchvision::nms does not exist".

dropexp uses the data sets, transforms and models of torchvision, which are plain Python. Where the
import fails for this reason, the two operators are declared by name and types, without an
implementation, and the import is repeated. Calling them still raises torchvision's own error.
Where torchvision imports by itself, nothing is done.
"""

import importlib
import sys
from types import ModuleType

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# The declarations exist as long as this object does.
_declared: torch.library.Library | None = None


def import_torchvision() -> ModuleType:
    """Import torchvision, which takes about a second on the first call, and return it.

    Afterwards ``import torchvision`` works anywhere in the process.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: the import fails for another reason than operators that do not load.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if not _is_about_operators(error):
            raise
    _forget_half_imported()
    _declare_operators()
    return importlib.import_module("torchvision")


def _is_about_operators(error: RuntimeError) -> bool:
    return "operator torchvision::" in str(error) and "does not exist" in str(error)


def _forget_half_imported() -> None:
    # Python drops a module whose import fails, but keeps the submodules that it imported before. A
    # second import would find these and skip what they do to their parent.
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_operators() -> None:
    global _declared
    if _declared is None:
        # A fragment, so that torchvision's own library may still define the namespace.
        _declared = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _OPERATORS:
            _declared.define(schema)
