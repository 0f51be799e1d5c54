"""Code of the user's runs, and what it does to the process is explained or undone."""

import os
import sys
from pathlib import Path

import pytest
import torch

from dropexp.data.user_code import import_target, running_user_code
from dropexp.errors import ConfigError, DataError


def test_what_it_sets_for_the_process_is_undone(tmp_path: Path) -> None:
    before = (Path.cwd(), torch.get_num_threads(), torch.get_default_dtype())
    with running_user_code("x fails"):
        os.chdir(tmp_path)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
    assert (Path.cwd(), torch.get_num_threads(), torch.get_default_dtype()) == before
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(0)])
def test_an_error_and_an_exit_are_explained(error: BaseException) -> None:
    with (
        pytest.raises(ConfigError, match=f"x fails: {type(error).__name__}: {error}"),
        running_user_code("x fails"),
    ):
        raise error


def test_an_error_of_dropexp_is_its_own() -> None:
    with pytest.raises(DataError, match="as it is"), running_user_code("x fails"):
        raise DataError("as it is")


@pytest.mark.parametrize("source", ["import sys; sys.exit(0)", "def __getattr__(name): 1 / 0"])
def test_a_module_that_exits_or_hides_names_is_explained(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "script_of_a_test.py").write_text(source)
    monkeypatch.delitem(sys.modules, "script_of_a_test", raising=False)
    with pytest.raises(ConfigError, match=r"script_of_a_test fails: \w+"):
        import_target("script_of_a_test:load", "data.target=script_of_a_test:load")
    sys.modules.pop("script_of_a_test", None)
