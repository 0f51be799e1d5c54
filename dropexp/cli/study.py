"""The commands that register studies, show them and verify them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dropexp.cli.exit_codes import ExitCode
from dropexp.cli.help_layout import PlainHelpCommand, PlainHelpGroup
from dropexp.cli.options import (
    TAKES_OVERRIDES,
    ConfigDirOption,
    Overrides,
    RunsDir,
    TrustOption,
    complete_study,
)
from dropexp.cli.question_options import (
    AtOption,
    CorrectionOption,
    MarginOption,
    MetricOption,
    TestOption,
)
from dropexp.errors import ConfigError, StoreError, UserError
from dropexp.sweep.budget import LIMIT_OF_SEEDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from dropexp.cli.console import CommandConsole
    from dropexp.runs.records import EpochRecord
    from dropexp.runs.registration import Registration
    from dropexp.runs.study_question import StudyQuestion
    from dropexp.sweep.grammar import SweepRequest
    from dropexp.training.progress import EpochProgress

STUDY_DETAILS = (
    "[bold]dropexp study register mine regulariser=none,dropout2d p=0.3 --seeds 8[/bold]\n\n"
    "A registered study is a question and its runs, written down before the runs exist. Its file "
    "can be sent to someone: [bold]dropexp sweep study=FILE[/bold] trains it."
)
_REGISTER_HELP = (
    "Write down a question and its runs before they exist.\n\n"
    "[bold]dropexp study register mine regulariser=none,dropout2d p=0.3 --at last[/bold]\n\n"
    "Overrides are those of [bold]dropexp sweep[/bold] that say what the runs are; "
    "[bold]study=NAME[/bold] starts from a ready study. The file is dated and hashed. "
    "[bold]dropexp sweep study=NAME[/bold] then trains exactly these runs, and compare and report "
    "say whether the question is the registered one. Until a sweep has begun to train it, "
    "registering it again replaces it."
)
_VERIFY_HELP = (
    "Train some runs of a study again and compare the numbers.\n\n"
    "[bold]dropexp study verify mine --sample 3[/bold]\n\n"
    "For a registered study, its hash and its runs are checked too. Exit code 0: everything "
    "agrees; 1: something does not."
)
_SHOW_HELP = "Show a registered study.\n\n[bold]dropexp study show mine[/bold]"
_LIST_HELP = "List the registered studies.\n\n[bold]dropexp study list[/bold]"

StudyName = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="Name of the study.",
        show_default=False,
        autocompletion=complete_study,
    ),
]

study = typer.Typer(
    cls=PlainHelpGroup,
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _parse_seeds(text: str) -> int:
    """Return the number of seeds that ``--seeds`` names.

    Raises:
        UserError: it is no number above 0.
    """
    if text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= LIMIT_OF_SEEDS:
        return int(text)
    seeds = f"; for these seeds write 'seed={text}'" if set(text) & set("(,") else ""
    raise UserError(f"--seeds {text} is no number of seeds, from 1 to {LIMIT_OF_SEEDS:,}{seeds}.")


@study.command(cls=PlainHelpCommand, help=_REGISTER_HELP, context_settings=TAKES_OVERRIDES)
def register(
    name: StudyName,
    overrides: Overrides = None,
    _config_dir: ConfigDirOption = None,
    metric: MetricOption = None,
    at: AtOption = None,
    margin: MarginOption = None,
    test: TestOption = None,
    correction: CorrectionOption = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=_parse_seeds, help="Number of seeds: 0 to N-1. Default: 8."
        ),
    ] = None,
    trust: TrustOption = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from dropexp.cli.console import print_text
    from dropexp.compare.stated_question import QuestionOptions
    from dropexp.runs.metrics import parse_metric
    from dropexp.runs.registration import refuse_used_name
    from dropexp.runs.trust import remember_use
    from dropexp.sweep.plan import open_sweep_runs_dir
    from dropexp.sweep.registering import complete_question, compose_study, register_study

    parsed = None if metric is None else parse_metric(metric)
    options = QuestionOptions(metric=parsed, at=at, margin=margin, test=test, correction=correction)
    typed = overrides or []
    place = (
        [] if any(each.startswith("runs_dir=") for each in typed) else [f"runs_dir='{runs_dir}'"]
    )
    request = compose_study(name, [*typed, *place], seeds, trust=trust)
    folder = open_sweep_runs_dir(request.configs)
    refuse_used_name(folder, name)
    question = complete_question(request.question, options)
    registration, replaced = register_study(request, question, folder)
    remember_use(*request.planned.one_of_each_setting)
    if replaced is not None:
        kept = Path(request.configs[0].runs_dir, replaced.parent.name, replaced.name)
        print_text(f"replaces the study registered before, which is kept as {kept}\n")
    _print_registered(registration, request, folder)


@study.command(cls=PlainHelpCommand, help=_VERIFY_HELP)
def verify(
    name: StudyName,
    sample: Annotated[
        int, typer.Option(metavar="N", min=0, help="How many of its finished runs to train again.")
    ] = 3,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the choice of these runs.")] = 0,
    overrides: Overrides = None,
    trust: TrustOption = False,
    runs_dir: RunsDir = Path("runs"),
) -> None:
    from rich.text import Text

    from dropexp.cli.console import CommandConsole
    from dropexp.runs.verification import check_stored_study, choose_sample

    console = CommandConsole()
    check = check_stored_study(runs_dir, name)
    for sentence in check.notes:
        console.print_sentence(Text(sentence))
    for sentence in check.problems:
        console.print_sentence(Text(sentence, style="red"))
    chosen = choose_sample(check.finished, sample, seed)
    differing = _train_again(chosen, runs_dir, overrides or [], console, trust=trust)
    problems = len(check.problems)
    console.print_sentence(Text(_conclude(len(chosen), differing, problems), style="bold"))
    if differing or problems:
        raise typer.Exit(ExitCode.FAILED)


@study.command("list", cls=PlainHelpCommand, help=_LIST_HELP)
def list_(runs_dir: RunsDir = Path("runs")) -> None:
    from dropexp.cli.console import CommandConsole, print_text
    from dropexp.runs.registration import list_registered_names, read_registration
    from dropexp.terminal.tables import Column, format_table

    found = [read_registration(runs_dir, name) for name in list_registered_names(runs_dir)]
    rows = [each for each in found if each is not None]
    if not rows:
        print_text(f"{runs_dir} has no registered study; dropexp study register makes one.\n")
        return
    columns: tuple[Column[Registration], ...] = (
        Column("study", lambda each: each.name, align="left"),
        Column("registered", lambda each: each.on, align="left"),
        Column("runs", lambda each: str(len(each.run_ids))),
        Column("seeds", lambda each: str(len(each.seeds))),
        Column("question", lambda each: _describe_question(each.question), align="left"),
    )
    CommandConsole().print_lines(format_table(columns, rows))


@study.command(cls=PlainHelpCommand, help=_SHOW_HELP)
def show(name: StudyName, runs_dir: RunsDir = Path("runs")) -> None:
    from dropexp.cli.console import CommandConsole, print_warning
    from dropexp.runs.registration import explain_unregistered, find_damage, read_registration

    registration = read_registration(runs_dir, name)
    if registration is None:
        raise ConfigError(explain_unregistered(runs_dir, name))
    CommandConsole().print_lines(_format_registration(registration, runs_dir))
    if damage := find_damage(registration):
        print_warning(damage)


def _print_registered(
    registration: "Registration", request: "SweepRequest", runs_dir: Path
) -> None:
    from shlex import quote

    from rich.text import Text

    from dropexp.cli.console import CommandConsole, print_warning
    from dropexp.cli.run_tables import format_next_commands
    from dropexp.sweep.design import describe_design, find_design, find_design_problem

    console = CommandConsole()
    named = request.configs[0].runs_dir
    console.print_lines(_format_registration(registration, Path(named)))
    design = find_design(request, runs_dir)
    if sentence := describe_design(design):
        console.print_sentence(Text(sentence))
    if problem := find_design_problem(design):
        print_warning(problem)
    place = "" if named == "runs" else f" {quote(f'runs_dir={named}')}"
    command = f"dropexp sweep {quote(f'study={registration.name}')}{place}"
    console.print_lines(format_next_commands([(command, "trains exactly these runs")]))


def _format_registration(registration: "Registration", runs_dir: Path) -> "list[Text]":
    from rich.text import Text

    from dropexp.config.study_files import get_registered_path
    from dropexp.terminal.numbers import format_count

    params = " ".join(f"{key}={value}" for key, value in registration.params.items())
    rows = (
        ("registered", f"{registration.on} ({registration.short_commit})"),
        ("question", _describe_question(registration.question)),
        (
            "runs",
            f"{format_count(len(registration.run_ids), 'run')}, "
            f"{format_count(len(registration.seeds), 'seed')}: {params}",
        ),
        ("hash", registration.hash[:12]),
        ("file", str(get_registered_path(runs_dir, registration.name))),
    )
    heading = Text(registration.name, style="bold")
    return [heading, *(Text(f"  {label:<12}{value}") for label, value in rows)]


def _describe_question(question: "StudyQuestion") -> str:
    from dropexp.runs.metrics import METRIC_REGISTRY

    metric = "" if question.metric is None else METRIC_REGISTRY[question.metric].name
    parts = [f"{metric} at the {question.at} epoch"]
    if question.margin is not None:
        parts.append(f"margin {question.margin:g}")
    parts += [f"test {question.test}", f"correction {question.correction}"]
    return ", ".join(parts)


def _train_again(
    run_ids: "Sequence[str]",
    runs_dir: Path,
    overrides: list[str],
    console: "CommandConsole",
    *,
    trust: bool,
) -> int:
    """Train runs again, print how far each agrees, and return how many do not.

    A run whose files do not agree with their checksums is one that does not; it is not trained.
    """
    from tempfile import TemporaryDirectory

    from rich.text import Text

    from dropexp.cli.agreement_table import format_rerun
    from dropexp.runs.write import RunFolder
    from dropexp.training.agreement import AgreementVerdict
    from dropexp.training.rerun import build_rerun_config, read_recorded_run, rerun

    differing = 0
    with TemporaryDirectory(prefix="dropexp-verify-") as temporary:
        for run_id in run_ids:
            try:
                recorded = read_recorded_run(RunFolder(runs_dir, run_id))
            except StoreError as error:
                console.print_sentence(Text(str(error), style="red"))
                differing += 1
                continue
            config = build_rerun_config(
                recorded, overrides, Path(temporary), is_kept=False, trust=trust
            )
            done = rerun(recorded, config, _QuietView(console))
            first, *others = format_rerun(done)
            console.print_line(Text.assemble(f"{run_id}  ", first))
            console.print_lines(others)
            differing += done.agreement.verdict is AgreementVerdict.DIFFERS
    return differing


def _conclude(chosen: int, differing: int, problems: int) -> str:
    from dropexp.terminal.numbers import format_count

    trained = f"{format_count(chosen, 'run')} trained again"
    if not chosen:
        outcome = "no finished run to train again"
    elif differing:
        outcome = f"{trained}: {differing} not as recorded"
    else:
        outcome = f"{trained}: all as recorded"
    return f"{outcome}; {format_count(problems, 'problem')}" if problems else outcome


class _QuietView:
    """Prints the warnings of a run only; the numbers are compared afterwards."""

    def __init__(self, console: "CommandConsole") -> None:
        self._console = console

    def start(self, run_id: str, lines: "Sequence[str]") -> None:
        """Print nothing."""

    def note(self, message: str) -> None:
        """Print nothing."""

    def warn(self, message: str) -> None:
        """Print the warning."""
        from rich.text import Text

        self._console.print_sentence(Text(f"warning: {message}"))

    def report_audit(self, line: str) -> None:
        """Print nothing."""

    def report_step(self, progress: "EpochProgress") -> None:
        """Print nothing."""

    def report_epoch(self, record: "EpochRecord", epochs: int) -> None:
        """Print nothing."""
