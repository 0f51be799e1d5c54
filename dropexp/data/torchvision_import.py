"""Imports torchvision, also beside a CPU-only torch.

The torchvision wheel of the package index is built for CUDA. Beside a CPU-only torch its library
of compiled operators does not load, as CUDA's libraries are missing. torchvision tolerates that
until it registers two of the operators, nms and qnms, with torch's tracer: torch does not know
them, and the import raises "operator torchvision::nms does not exist".

dropexp uses the data sets, transforms and models of torchvision, which are plain Python. Where the
import fails for this reason, the two operators are declared by name and types, without an
implementation, and the import is repeated. Calling them still raises torchvision's own error. If
torchvision can be imported, nothing is declared.
"""

import importlib
import sys
from types import ModuleType

import torch

_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

# torch removes the declarations when this object is deleted.
_declared: torch.library.Library | None = None


def import_torchvision() -> ModuleType:
    """Return torchvision; the first call imports it, which takes about a second.

    Afterwards ``import torchvision`` works anywhere in the process.

    Raises:
        ImportError: torchvision is not installed.
        RuntimeError: the import fails for another reason than operators that do not load.
    """
    return import_beside_torchvision("torchvision")


def import_beside_torchvision(name: str) -> ModuleType:
    """Return a module, which may import torchvision, such as a file of the user's.

    Args:
        name: of the module.

    Raises:
        Exception: whatever the module raises, but for torchvision's operators that do not load.
    """
    try:
        return importlib.import_module(name)
    except RuntimeError as error:
        if not _is_about_operators(error):
            raise
    _remove_partial_import()
    _declare_operators()
    return importlib.import_module(name)


def _is_about_operators(error: RuntimeError) -> bool:
    return "operator torchvision::" in str(error) and "does not exist" in str(error)


def _remove_partial_import() -> None:
    # If an import fails, Python removes the module but keeps its submodules imported so far. A
    # second import would reuse them and not set them as attributes of their parent.
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


def _declare_operators() -> None:
    global _declared
    if _declared is None:
        # A fragment, so that torchvision's own library may still define the namespace.
        _declared = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _OPERATORS:
            _declared.define(schema)
