"""What a search shows on a terminal and in a file, from made-up runs."""

import io
import math
import re

import pytest
from rich.console import Console

from dropexp.cli.tune_console import TuneConsole, summarise
from dropexp.compare.pairing import PairedComparison
from dropexp.compare.results import Pair
from dropexp.statistics import Verdict
from dropexp.sweep.budget import Budget
from dropexp.sweep.tuning.candidates import Candidate
from dropexp.sweep.tuning.conduct import TuneResult
from dropexp.sweep.tuning.confirmation import Confirmation, decide
from dropexp.sweep.tuning.proposals import WORST, Trial, TrialState
from dropexp.sweep.tuning.search import Search, run_search
from tests.sweep.tuning.made_up import SPACE, MadeUpRuns

GOOD = Candidate("good", (("p", "0.3"),))
TRIALS = [
    Trial(GOOD, {0: -0.02, 1: -0.04}, TrialState.COMPLETE),
    Trial(Candidate("middling", (("p", "0.2"),)), {0: -0.01}, TrialState.DROPPED),
    Trial(Candidate("harmful", (("p", "0.6"),)), {0: WORST, 1: WORST}, TrialState.DROPPED),
]


def confirm(differences: list[float]) -> Confirmation:
    pairs = tuple(
        Pair(1000 + k, 0.5, None if math.isnan(d) else 0.5 + d) for k, d in enumerate(differences)
    )
    return decide([Confirmation(GOOD, PairedComparison(pairs, sign=1))])[0]


def make_result(*confirmed: Confirmation) -> TuneResult:
    return TuneResult("mine", Search(TRIALS), confirmed, 20, 32, 30, 65.0, {})


def print_result(result: TuneResult) -> str:
    out = io.StringIO()
    with TuneConsole("mine", Budget(runs=40), Console(file=out, width=100)) as console:
        console.show_result(result, [("dropexp compare study=mine", "in full")])
    return out.getvalue()


@pytest.mark.parametrize(
    ("confirmed", "sentence"),
    [
        (
            [confirm([-0.03, -0.02, -0.04, -0.03, -0.02, -0.04])],
            "good p=0.3 is better than none: on 6",
        ),
        (
            [confirm([0.03, 0.02, 0.04, 0.03, 0.02, 0.04])],
            "but is worse than none: on 6 fresh seeds it",
        ),
        ([confirm([0.03, -0.02] * 4)], "is not confirmed: on 8 fresh seeds its test loss differs"),
        ([confirm([-0.03, -0.02])], "too few for a verdict"),
        ([Confirmation(GOOD)], "the budget has left no seed to confirm it"),
        ([], "no setting tried had a lower validation loss than none"),
    ],
)
def test_the_answer_is_that_of_the_fresh_seeds(
    confirmed: list[Confirmation], sentence: str
) -> None:
    assert sentence in summarise(make_result(*confirmed))


def test_the_number_of_the_answer_is_not_that_of_the_search() -> None:
    row = confirm([-0.03, -0.02, -0.04, -0.03, -0.02, -0.04])
    assert row.verdict is Verdict.BETTER
    text = summarise(make_result(row))
    assert "lowers the test loss by 0.030 nats (difference -0.030 [-0.0" in text
    assert "anytime p = 0.0" in text


def test_the_end_lists_what_was_tried_without_p_values_and_what_it_cost() -> None:
    text = print_result(make_result(confirm([-0.03] * 6)))
    tried = text[text.index("tried (exploration, no test)") :]
    assert re.search(r"good p=0.3 +2 +-0.030  complete", tried)
    assert re.search(r"harmful p=0.6 +2  diverged or failed  dropped", tried)
    assert "p =" not in tried
    assert (
        "cost: 32 runs, 20 for choosing and 12 for confirming (30 trained now), in 65.0 s" in tried
    )
    assert "next    dropexp compare study=mine" in tried


def test_on_a_terminal_one_block_shows_every_moment_of_a_search() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True)
    runs = MadeUpRuns(60)
    with TuneConsole("mine", Budget(runs=90), console) as view:
        run_search(
            SPACE, 0, runs.evaluate, lambda search: view.report_search(search, len(runs.runs))
        )
        assert "best so far, of" in out.getvalue()
        view.report_confirmation([Confirmation(GOOD)], 60)
        view.report_confirmation([confirm([-0.03] * 6)], 72)
    assert "confirming on fresh seeds" in out.getvalue()
    assert "evidence of 20" in out.getvalue()
    assert "72/90 runs" in out.getvalue()
    assert "better" in out.getvalue()


def test_the_evidence_needed_counts_settings_that_were_confirmed_before() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True)
    (row,) = decide([confirm([-0.03] * 6)], others=1)
    with TuneConsole("mine", Budget(runs=90), console) as view:
        view.report_confirmation([row], 72)
    assert "evidence of 40" in out.getvalue()


def test_in_a_file_there_is_a_line_for_each_tenth_of_the_budget() -> None:
    out = io.StringIO()
    with TuneConsole("mine", Budget(runs=40), Console(file=out, width=100)) as view:
        view.report_search(Search(TRIALS), 20)
        view.report_search(Search(TRIALS), 21)
        view.report_confirmation([confirm([-0.03, math.nan, -0.02, -0.03, -0.01])], 30)
    lines = out.getvalue().splitlines()
    assert lines[0] == "choosing  20/40 runs  3 settings  best good p=0.3 -0.030"
    assert len(lines) == 2
    assert lines[1].startswith("confirming  30/40 runs  good p=0.3  5 seeds  -0.0")
