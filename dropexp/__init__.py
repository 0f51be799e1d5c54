"""dropexp: which regulariser, at which strength, makes this network generalise better?

From Python, ``regularise`` puts a regulariser into any network and ``plain`` takes it out;
``audit`` proves that it works there. ``diagnose`` examines the dropout of any network, and
``watch_modes`` watches your own training loop; ``record`` records its runs. ``train``, ``sweep``,
``sweep_until_decided``, ``tune``, ``compare``, ``effects``, ``learning_curve``, ``early_stopping``,
``forgetting`` and ``load_runs`` are the commands as functions. All of them are imported on first
use, so that importing this package costs nothing.
"""

from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dropexp.api import compare as compare
    from dropexp.api import early_stopping as early_stopping
    from dropexp.api import effects as effects
    from dropexp.api import forgetting as forgetting
    from dropexp.api import learning_curve as learning_curve
    from dropexp.api import load_runs as load_runs
    from dropexp.api import record as record
    from dropexp.api import sweep as sweep
    from dropexp.api import sweep_until_decided as sweep_until_decided
    from dropexp.api import train as train
    from dropexp.api import tune as tune
    from dropexp.doctor import diagnose as diagnose
    from dropexp.doctor import watch_modes as watch_modes
    from dropexp.models.adapter import plain as plain
    from dropexp.models.adapter import regularise as regularise
    from dropexp.training.audit_network import audit as audit

__version__ = "0.1.0"

_HOMES = {
    "audit": "dropexp.training.audit_network",
    "diagnose": "dropexp.doctor",
    "early_stopping": "dropexp.api",
    "effects": "dropexp.api",
    "forgetting": "dropexp.api",
    "learning_curve": "dropexp.api",
    "load_runs": "dropexp.api",
    "plain": "dropexp.models.adapter",
    "record": "dropexp.api",
    "regularise": "dropexp.models.adapter",
    "sweep_until_decided": "dropexp.api",
    "train": "dropexp.api",
    "tune": "dropexp.api",
    "watch_modes": "dropexp.doctor",
}
"""Function of the Python API → the module that it is imported from."""

_CALLABLE_PACKAGES = ("compare", "sweep")
"""Functions of the Python API whose names are those of packages: the packages can be called."""

__all__ = [
    "__version__",
    "audit",
    "compare",
    "diagnose",
    "early_stopping",
    "effects",
    "forgetting",
    "learning_curve",
    "load_runs",
    "plain",
    "record",
    "regularise",
    "sweep",
    "sweep_until_decided",
    "train",
    "tune",
    "watch_modes",
]


class CallablePackage(ModuleType):
    """A package that is also the function of its name in the Python API.

    ``dropexp.compare`` is a package of the code, and ``dropexp.compare("study=quick")`` is what a
    user types: importing the package would hide a function of that name.
    """

    @property
    def _function(self) -> Any:
        return _import("dropexp.api", self.__name__.rpartition(".")[2])

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Call the function; ``help(dropexp.compare.__call__)`` is in its signature's place."""
        return self._function(*arguments, **options)

    @property
    def __signature__(self) -> Any:
        """The signature of the function, for help and completion."""
        from inspect import signature

        return signature(self._function)


def _import(module: str, name: str) -> Any:
    from importlib import import_module

    return getattr(import_module(module), name)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return _import(_HOMES[name], name)
    if name in _CALLABLE_PACKAGES:
        from importlib import import_module

        return import_module(f"dropexp.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
