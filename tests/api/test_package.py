"""The functions are attributes of the package, whatever has been imported before."""

import inspect
import subprocess
import sys

import pytest

import dropexp
from dropexp import api


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import dropexp, sys; sys.exit(len([m for m in sys.modules if m.startswith('dropexp.')]))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["compare", "sweep"])
def test_packages_with_the_names_of_functions_can_be_called(name: str) -> None:
    function = getattr(api, name)
    package = getattr(dropexp, name)
    assert package.__name__ == f"dropexp.{name}"
    assert inspect.signature(package) == inspect.signature(function)
    with pytest.raises(TypeError, match="unexpected keyword"):
        package(no_such_option=1)


def test_every_name_is_there_and_no_other() -> None:
    assert all(callable(getattr(dropexp, name)) for name in set(dropexp.__all__) - {"__version__"})
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        dropexp.nothing  # noqa: B018
