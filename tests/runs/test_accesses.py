"""Every code, folder and file that a config names is an access that has to be trusted."""

from pathlib import Path

import numpy as np
import pytest

from dropexp.config.compose import compose_run
from dropexp.errors import UntrustedError
from dropexp.runs.trust import list_accesses, refuse_untrusted, remember_use

CODE = "def load():\n    pass\n\n\nclass Net:\n    pass\n\n\nclass Noise:\n    pass\n"
NAMED = [
    *("model=custom", "model.target=their_code:Net"),
    *("data=custom", "data.target=their_code:load", "+data.options.path=/secret"),
    *("regulariser=custom", "regulariser.target=their_code:Noise"),
]


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has used nothing on this machine, in a folder with code of somebody else's."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "their_code.py").write_text(CODE)
    return tmp_path


def test_code_for_data_and_noise_is_shown_as_that_of_a_model_is(stranger: Path) -> None:
    config = compose_run(NAMED)
    keys = [access.key for access in list_accesses(config)]
    assert keys == ["model.target", "data.target", "regulariser.target"]
    with pytest.raises(UntrustedError) as error:
        refuse_untrusted(config, "theirs/config.yaml", {"model.target"}, trust=False)
    for words in ('data.target=their_code:load with {"path": "/secret"}', "their_code:Noise"):
        assert words in str(error.value)
    assert "their_code:Net" not in str(error.value), "it was typed"
    refuse_untrusted(config, "theirs/config.yaml", trust=True)
    remember_use(config)
    refuse_untrusted(config, "theirs/config.yaml", trust=False)
    other = compose_run([*NAMED, "+regulariser.options.size=3"])
    with pytest.raises(UntrustedError, match=r'their_code:Noise with \{"size": 3\}'):
        refuse_untrusted(other, "theirs/config.yaml", trust=False)


def test_code_in_a_combination_is_shown(stranger: Path) -> None:
    combined = ["regulariser=custom+mixup", "regulariser.custom.target=their_code:Noise"]
    (access,) = list_accesses(compose_run(combined))
    assert access.key == "regulariser.custom.target"


def test_a_file_of_arrays_is_shown(stranger: Path) -> None:
    np.savez(stranger / "x.npz", images=np.zeros((4, 2, 2), np.uint8), labels=[0, 1, 0, 1])
    (access,) = list_accesses(compose_run(["data=arrays", "data.root=x.npz"]))
    assert access.description == "data.root=x.npz would be read"
