"""The types that a caller sees: scripts/check reads this file with mypy; nothing runs it."""

from typing import assert_type

from torch import nn

import dropexp
from dropexp.statistics import paired_difference

model = nn.Linear(2, 2)
assert_type(dropexp.regularise(model, "dropout", p=0.3), int)
assert_type(paired_difference([0.1, 0.2], [0.3, 0.5]).low, float)
dropexp.regularise(model, "dropout", p="a lot")  # type: ignore[arg-type]
