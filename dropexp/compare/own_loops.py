"""What is said of runs that a loop of the user's own has trained, and dropexp only recorded."""

from collections.abc import Sequence

from dropexp.compare.results import Comparison
from dropexp.compare.settings import Setting
from dropexp.terminal.numbers import format_count


def find_unproven(setting: Setting) -> Sequence[int]:
    """Return the seeds whose audit did not pass; none of a user's own loop, see the note below."""
    return () if setting.is_of_own_loop else setting.unproven_seeds


def describe_own_loops(comparison: Comparison) -> list[str]:
    """Return the sentence on runs of the user's own loops that nothing has audited; else none."""
    own = [row.setting for row in comparison.rows if row.setting.is_of_own_loop]
    runs = sum(len(setting.unproven_seeds) for setting in own)
    if not runs:
        return []
    return [
        f"{format_count(runs, 'run')} of your own loop {'has' if runs == 1 else 'have'} no audit: "
        f"nothing proves that the regulariser was on in training and off in evaluation, or that "
        f"equal seeds have equal data, weights and batches. dropexp.audit checks the first."
    ]
