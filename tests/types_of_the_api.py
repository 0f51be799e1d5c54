"""The types that a caller sees: scripts/check reads this file with mypy; nothing runs it."""

from typing import assert_type

from torch import nn

import dropexp
from dropexp.compare.forgotten import ForgottenImage
from dropexp.statistics import Estimate, Verdict, paired_difference

model = nn.Linear(2, 2)
assert_type(dropexp.regularise(model, "dropout", p=0.3), int)
assert_type(paired_difference([0.1, 0.2], [0.3, 0.5]).low, float)
dropexp.regularise(model, "dropout", p="a lot")  # type: ignore[arg-type]
assert_type(dropexp.effects("study=interactions").rows[0].difference.low, float)
assert_type(dropexp.learning_curve(images=400).answer, str)
assert_type(dropexp.early_stopping(metric="test_acc").rows[0].share, Estimate | None)
assert_type(dropexp.forgetting().most_forgotten("none", top=3), list[ForgottenImage])
assert_type(dropexp.sweep_until_decided(["p=0.3"], margin=0.01).is_decided, bool)
assert_type(dropexp.tune(budget="30min").rows[0].verdict, Verdict)
