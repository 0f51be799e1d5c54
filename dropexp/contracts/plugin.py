"""The plugin of pytest: ``--dropexp-contracts`` adds the contract tests of a class.

pytest imports this module wherever dropexp is installed, so without the option it does nothing, and
it imports nothing heavy.
"""

from pathlib import Path

import pytest

_OPTION = "--dropexp-contracts"
_TESTS = Path(__file__).with_name("noise_contracts.py")
FIXTURE = "dropexp_target"
"""The argument of a contract test: the target."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("dropexp").addoption(
        _OPTION,
        action="append",
        default=[],
        dest="dropexp_contracts",
        metavar="TARGET",
        help="run dropexp's contract tests of a class, package.module:Class, with its options "
        "behind it: 'mine:MyDropout size=3'. Without paths, they are the only tests.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Collect the contract tests where the option is given."""
    if not config.getoption("dropexp_contracts"):
        return
    if config.args_source is not config.ArgsSource.ARGS:
        config.args.clear()
    config.args.append(str(_TESTS))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each contract test once for each target."""
    if FIXTURE in metafunc.fixturenames:
        metafunc.parametrize(FIXTURE, metafunc.config.getoption("dropexp_contracts"))
