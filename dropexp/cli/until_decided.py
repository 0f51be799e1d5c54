"""What sweep and extend do with --until-decided."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.launch_sweep import Launching
from dropexp.cli.options import (
    MARGIN_HELP,
    format_place,
    list_choices,
    make_choice_parser,
    parse_margin,
)
from dropexp.cli.request_warnings import warn_of_slow_bfloat16
from dropexp.cli.signals import interrupt_at_sigterm
from dropexp.errors import ConfigError
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.metrics import parse_metric
from dropexp.sweep.budget import LIMIT_OF_SEEDS, MOST_SEEDS

if TYPE_CHECKING:
    from dropexp.cli.until_decided_console import UntilDecidedConsole
    from dropexp.compare.question import Question
    from dropexp.runs.study_question import StudyQuestion
    from dropexp.sweep.budget import Budget
    from dropexp.sweep.sequential.conduct import SequentialResult
    from dropexp.sweep.sequential.design import SequentialState
    from dropexp.sweep.sequential.prepare import SequentialPlan
    from dropexp.sweep.sequential.rows import SequentialRequest

_PANEL = "Options of --until-decided"

UntilDecidedOption = Annotated[
    bool,
    typer.Option(
        "--until-decided",
        help="Add seeds where the answer is open, until each setting is better or worse than its "
        "baseline, or practically equal (--margin).",
    ),
]
EqualityMarginOption = Annotated[
    float | None,
    typer.Option(
        "--margin",
        metavar="SIZE",
        parser=parse_margin,
        help=MARGIN_HELP,
        rich_help_panel=_PANEL,
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="BUDGET",
        help="Stop after a time (30min, 2h) or a number of runs (200runs).",
        rich_help_panel=_PANEL,
    ),
]
MostSeedsOption = Annotated[
    int | None,
    typer.Option(
        "--most-seeds",
        metavar="N",
        help=f"Stop a setting at N seeds. Default: {MOST_SEEDS}.",
        rich_help_panel=_PANEL,
    ),
]
DecidingMetricOption = Annotated[
    Metric | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        parser=parse_metric,
        help="Metric to test, as in dropexp compare. Default: the study's own question, or "
        "test_loss.",
        rich_help_panel=_PANEL,
    ),
]
DecidingEpochOption = Annotated[
    EpochChoice | None,
    typer.Option(
        "--at",
        metavar="EPOCH",
        parser=make_choice_parser("--at", EpochChoice),
        autocompletion=list_choices(EpochChoice),
        help="Epoch of each run: best or last. Default: the study's own question, or best.",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True)
class SequentialOptions:
    """The options that --until-decided takes, as typed; None where they were not."""

    margin: float | None
    budget: str | None
    most_seeds: int | None
    metric: Metric | None
    at: EpochChoice | None

    def refuse_without_until_decided(self) -> None:
        """Raise ConfigError if one of them was given, as only --until-decided takes them.

        Raises:
            ConfigError: names the option.
        """
        for name, value in vars(self).items():
            if value is not None:
                raise ConfigError(
                    f"--{name.replace('_', '-')} is for --until-decided, which adds seeds until "
                    f"the answer is clear; add --until-decided, or leave it out."
                )

    def ask(self, stated: "StudyQuestion") -> "Question":
        """Return the question that the options ask, or else the study.

        Args:
            stated: in the study's file.

        Raises:
            UserError: the metric cannot decide at this epoch, or the margin is not above 0.
        """
        from dropexp.compare.stated_question import QuestionOptions, make_question

        options = QuestionOptions(metric=self.metric, at=self.at, margin=self.margin)
        return make_question(stated, options)

    def parse_budget(self) -> "Budget":
        """Return the budget; it has no limit if none was given."""
        from dropexp.sweep.budget import Budget, parse_budget

        return Budget() if self.budget is None else parse_budget(self.budget)

    def parse_most_seeds(self) -> int:
        """Return the most seeds of a row.

        Raises:
            ConfigError: the number is below 1, or larger than any study needs.
        """
        if self.most_seeds is not None and not 1 <= self.most_seeds <= LIMIT_OF_SEEDS:
            raise ConfigError(
                f"--most-seeds {self.most_seeds} is not allowed; write a number from 1 to "
                f"{LIMIT_OF_SEEDS:,}, such as {MOST_SEEDS}."
            )
        return self.most_seeds or MOST_SEEDS

    def list_arguments(self) -> list[str]:
        """Return what dropexp compare needs to ask the same question."""
        arguments = [] if self.metric is None else ["--metric", self.metric.key]
        arguments += [] if self.at is None else ["--at", self.at.value]
        return arguments if self.margin is None else [*arguments, "--margin", f"{self.margin:g}"]


def run_until_decided(
    compose: "Callable[[int], SequentialRequest]",
    options: SequentialOptions,
    launching: Launching,
) -> None:
    """Train until every row is decided, and show how it goes.

    Args:
        compose: returns the request for a number of most seeds.
        options: as typed.
        launching: how; a dry run lists the runs of the first round.

    Raises:
        UserError: the request, an option or the folder is not allowed.
        Exit: the sweep was interrupted, or a run has failed or diverged.
    """
    plan = plan_until_decided(compose, options, retry_failed=launching.retry_failed)
    result = launch_until_decided(plan, options, launching)
    if result is None:
        return
    if result.is_interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if result.progress.unsuccessful or result.reason is None:
        raise typer.Exit(ExitCode.FAILED)


def plan_until_decided(
    compose: "Callable[[int], SequentialRequest]",
    options: SequentialOptions,
    *,
    retry_failed: bool,
) -> "SequentialPlan":
    """Return the plan of a sweep until decided, checked before anything is trained.

    Args:
        compose: returns the request for a number of most seeds.
        options: as typed.
        retry_failed: train failed runs again.

    Raises:
        UserError: the request, an option or the folder is not allowed.
    """
    from dropexp.sweep.sequential.prepare import make_sequential_plan

    budget, most_seeds = options.parse_budget(), options.parse_most_seeds()
    request = compose(most_seeds)
    question = options.ask(request.question)
    return make_sequential_plan(request, question, most_seeds, budget, retry_failed=retry_failed)


def launch_until_decided(
    plan: "SequentialPlan",
    options: SequentialOptions,
    launching: Launching,
    *,
    is_command: bool = True,
) -> "SequentialResult | None":
    """Train round after round, and return how that ended; None after a dry run.

    Args:
        plan: by plan_until_decided.
        options: as typed.
        launching: how runs are launched and shown.
        is_command: whether a command does it, whose process ends at SIGTERM, and which proposes
            commands to type next.

    Raises:
        UserError: the folder cannot be written, or this machine lacks the data or the device.
        RunError: the launcher has failed several times in a row.
        KeyboardInterrupt: at a second Ctrl-C.
    """
    from dropexp.cli.until_decided_console import UntilDecidedConsole
    from dropexp.sweep.sequential.conduct import train_until_decided

    warn_of_slow_bfloat16(list(plan.request.configs.values()))
    with UntilDecidedConsole(plan, verbosity=launching.verbosity) as console:
        state = plan.find_state()
        console.show_plan(state)
        if launching.dry_run:
            _list_first_runs(console, plan, state)
            return None
        if is_command:
            interrupt_at_sigterm()
        try:
            result = train_until_decided(plan, console, fail_fast=launching.fail_fast)
        except KeyboardInterrupt:
            console.close()
            console.note("stopped at once; the same command resumes the sweep")
            raise
        console.show_result(result, _next_commands(plan, options) if is_command else ())
    return result


def _list_first_runs(
    console: "UntilDecidedConsole", plan: "SequentialPlan", state: "SequentialState"
) -> None:
    """List the runs that the next round would train, with the time that they would take."""
    from dropexp.cli.sweep_console import SweepConsole
    from dropexp.sweep.estimate import estimate_seconds
    from dropexp.sweep.plan import make_plan
    from dropexp.sweep.timing import time_epochs

    if state.round is None:
        console.note(f"nothing to train: {state.reason}")
        return
    configs = [plan.request.configs[cell] for cell in state.round.missing]
    statuses = make_plan(configs, plan.runs_dir).statuses
    estimate = estimate_seconds(configs, plan.runs_dir, time_epochs)
    rows = [
        (config.run_id, statuses[config.run_id], seconds)
        for config, seconds in zip(configs, estimate.seconds, strict=True)
    ]
    SweepConsole(plan.request.study).list_runs(
        rows, plan.design.runs_at_a_time, is_timed=estimate.is_timed
    )
    console.note("this is the next round; later rounds follow from the results")


def _next_commands(plan: "SequentialPlan", options: SequentialOptions) -> Sequence[tuple[str, str]]:
    request = plan.request
    typed = str(Path(next(iter(request.configs.values())).runs_dir).expanduser())
    arguments = [f"study={request.study}", *options.list_arguments()]
    command = f"dropexp compare{format_place(typed)} {' '.join(map(quote, arguments))}"
    return [(command, "the whole table")]
