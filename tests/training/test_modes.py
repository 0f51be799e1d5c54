"""A model switches to a mode, or is refused."""

import pytest
from torch import nn

from dropexp.errors import AuditError
from dropexp.training.modes import in_mode


def test_a_module_that_does_not_switch_to_the_mode_is_refused() -> None:
    class Stubborn(nn.Dropout2d):
        def train(self, mode: bool = True) -> "Stubborn":
            return self

    model = nn.Sequential(nn.Conv2d(1, 1, 1), Stubborn())
    with (
        pytest.raises(AuditError, match=r"1 \(Stubborn\) is not in eval mode"),
        in_mode(model, training=False),
    ):
        pass
