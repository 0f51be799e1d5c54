"""Which test speaks about results of another program, and the sentences on what is not known."""

from dropexp.compare.method_of_test import describe_interval, describe_test
from dropexp.compare.results import Comparison
from dropexp.compare.rules import TestInForce, TestKind
from dropexp.runs.question_types import TestChoice

_UNRECORDED = "no ledger tells whether all runs were asked for before the first result"


def choose_test(choice: TestChoice) -> TestInForce:
    """Return the test: the anytime test, unless the planned one is asked for.

    Nothing records when runs of another program were asked for.

    Args:
        choice: the value of ``--test``.
    """
    if choice is TestChoice.PLANNED:
        return TestInForce(
            TestKind.PLANNED,
            "as --test planned asks; it holds only if all of these runs were asked for before any "
            "of their results was seen, which the file does not show",
        )
    if choice is TestChoice.ANYTIME:
        return TestInForce(TestKind.ANYTIME, "as --test anytime asks")
    return TestInForce(TestKind.ANYTIME, f"because {_UNRECORDED}")


def describe_method(
    comparison: Comparison, baseline: str, *, is_chosen: bool, is_filtered: bool
) -> list[str]:
    """Return sentences on what was compared, what was tested and what is not known.

    Args:
        comparison: without its sentences.
        baseline: what rows are compared with.
        is_chosen: whether ``--baseline`` chose it.
        is_filtered: whether filters chose the rows of the file.
    """
    rows, metric = comparison.rows, comparison.metric
    means = f"means over seeds with {comparison.confidence:.0%} t intervals"
    if all(row.n <= 1 for row in rows):
        means = "one seed for each setting"
    sentences = [f"Results of another program, from {comparison.source}: {means}."]
    unknown = (
        "Not known of these runs: whether what they name was on (no audit), whether equal seeds "
        "mean equal data, weights and batches, and what they measured at other epochs."
    )
    if not any(row.pairs for row in rows):
        nothing = "Nothing is tested: no setting has a seed in common with its baseline."
        return [*sentences, nothing, unknown]
    side = "below" if metric.sign > 0 else "above"
    sentences += [
        f"vs baseline: paired difference in {metric.name} to {baseline}; {side} 0 is "
        f"{metric.improvement}. {describe_interval(comparison)}".rstrip(),
        " ".join(describe_test(comparison)),
    ]
    if comparison.test.kind is TestKind.ANYTIME:
        sentences.append(
            "Seeds count in the order of their numbers: the anytime test holds if none was left "
            "out of the file for its result."
        )
    chosen = ["--baseline chose what settings are compared with"] if is_chosen else []
    chosen += ["filters chose the rows of the file"] if is_filtered else []
    if chosen:
        choice = " and ".join(chosen)
        sentences.append(
            f"{choice[:1].upper()}{choice[1:]}: error rates hold if that was before any result was "
            f"seen."
        )
    if any(row.setting.diverged for row in rows):
        sentences.append(
            "A run whose value is no finite number loses its pair: the test counts it as the row's "
            "largest difference, means and intervals leave it out."
        )
    return [*sentences, unknown]
