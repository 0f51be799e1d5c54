"""The command that chooses a regulariser and its strength within a budget: tune."""

from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.launch_sweep import RetryFailed, start_fork_server_for
from dropexp.cli.options import ConfigDirOption, Overrides, TrustOption, format_place
from dropexp.cli.progress_display import Verbosity
from dropexp.cli.request_warnings import warn_of_slow_bfloat16
from dropexp.cli.signals import interrupt_at_sigterm
from dropexp.errors import ConfigError, suggest

if TYPE_CHECKING:
    from dropexp.sweep.budget import Budget
    from dropexp.sweep.tuning.conduct import Confirm, TuneResult
    from dropexp.sweep.tuning.space import TuneRequest

TUNE_DETAILS = (
    "[bold]dropexp tune regulariser=dropout2d,dropconnect 'p=interval(0.05,0.7)'[/bold]\n\n"
    "Overrides are those of [bold]dropexp sweep[/bold], and intervals in Hydra's grammar: "
    "interval(low,high), tag(log,interval(low,high)). Defaults: "
    "regularisers dropout2d, spatial_dropout, dropconnect and stochastic_depth, "
    "p=interval(0.05,0.7). [bold]seed=N[/bold] is the seed of the search.\n\n"
    "At most two thirds of the budget are spent on choosing, by validation results. The chosen "
    "setting is then compared with none on fresh seeds, by test results, until it is decided or "
    "the budget ends. The same command resumes a search that was stopped.\n\n"
    "Needs Optuna: [bold]pip install 'dropexp\\[tune]'[/bold]"
)


def tune(
    overrides: Overrides = None,
    _config_dir: ConfigDirOption = None,
    trust: TrustOption = False,
    budget: Annotated[
        str,
        typer.Option("--budget", metavar="BUDGET", help="Limit: 200runs, 30min or 2h."),
    ] = "150runs",
    confirm: Annotated[
        str,
        typer.Option(
            "--confirm", metavar="WHICH", help="Settings to confirm: best, or each regulariser's."
        ),
    ] = "best",
    retry_failed: RetryFailed = False,
) -> None:
    from dropexp.sweep.budget import parse_budget
    from dropexp.sweep.tuning.proposals import require_optuna

    limit = parse_budget(budget)
    which = parse_confirm(confirm)
    require_optuna()
    start_fork_server_for(overrides or [])
    from dropexp.sweep.tuning.space import parse_request

    request = parse_request(overrides or [], trust=trust)
    result = launch_tune(request, limit, which, retry_failed=retry_failed)
    if result.failed:
        raise typer.Exit(ExitCode.FAILED)


def launch_tune(
    request: "TuneRequest",
    budget: "Budget",
    confirm: "Confirm",
    *,
    retry_failed: bool,
    verbosity: Verbosity = Verbosity.NORMAL,
    is_command: bool = True,
) -> "TuneResult":
    """Search, confirm the choice, and show how it goes; return the result.

    Args:
        request: by parse_request.
        budget: the limit.
        confirm: which settings to confirm.
        retry_failed: train failed runs again.
        verbosity: how much is printed.
        is_command: whether a command does it, whose process ends at SIGTERM, and which proposes
            commands to type next.

    Raises:
        UserError: the budget is too small, or the folder or the launcher is not allowed.
        KeyboardInterrupt: after a stop.
    """
    from dropexp.cli.tune_console import TuneConsole
    from dropexp.sweep.tuning.conduct import name_study, refuse_small_budget
    from dropexp.sweep.tuning.conduct import tune as run_tune
    from dropexp.sweep.tuning.trainer import SearchStoppedError

    refuse_small_budget(request, budget)
    warn_of_slow_bfloat16(request.compose_reference([0]))
    if is_command:
        interrupt_at_sigterm()
    with TuneConsole(name_study(request), budget, verbosity=verbosity) as console:
        console.show_plan(request)
        try:
            result = run_tune(request, budget, confirm, console, retry_failed=retry_failed)
        except (SearchStoppedError, KeyboardInterrupt):
            console.close()
            console.note("stopped; the same command resumes the search")
            raise KeyboardInterrupt from None
        console.show_result(result, _next_commands(request, result) if is_command else ())
    return result


def parse_confirm(text: str) -> "Confirm":
    """Return the choice that ``--confirm`` names.

    Raises:
        ConfigError: there is none of this name.
    """
    from dropexp.sweep.tuning.conduct import Confirm

    if text not in set(Confirm):
        raise ConfigError(f"--confirm {text} is not known. {suggest(text, Confirm)}")
    return Confirm(text)


def _next_commands(request: "TuneRequest", result: "TuneResult") -> list[tuple[str, str]]:
    commands = []
    if result.confirmed:
        overrides = request.list_overrides(result.confirmed[0].candidate)
        commands.append((f"dropexp train {' '.join(map(quote, overrides))}", "train it"))
    place = format_place(request.runs_dir)
    name = quote(f"study={result.study}")
    commands.append((f"dropexp compare{place} {name}", "the table"))
    commands.append((f"dropexp report{place} {name} -o report.html", "its charts"))
    return commands
