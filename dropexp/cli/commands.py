"""The commands by their names; each is imported when it is asked for.

Saves 0.09 s of 0.42 s of ``dropexp compare`` with few runs: Typer reads no option of the others.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from dropexp import __version__
from dropexp.cli.help_layout import PlainHelpCommand, PlainHelpGroup
from dropexp.cli.options import TAKES_OVERRIDES

# No docstring, which python -OO removes.
_HELP = (
    "Which regulariser, at which strength, makes this network generalise better?\n\n"
    "[bold]dropexp train regulariser=dropout2d p=0.3[/bold]\n"
    "[bold]dropexp sweep regulariser=none,dropout2d p=0.1,0.3 'seed=range(8)'[/bold]\n"
    "[bold]dropexp compare[/bold]\n\n"
    "[bold]dropexp COMMAND --help[/bold] describes a command."
)

_TRAIN = "Train"
_COMPARE = "Compare"
_CHECK = "Manage and check runs"


def build_app(name: str | None = None) -> typer.Typer:
    """Return the command line with one command, or with all where none has this name.

    Args:
        name: the first word that follows ``dropexp``.
    """
    app = typer.Typer(
        name="dropexp",
        cls=PlainHelpGroup,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=_HELP)(_dropexp)
    add_one = _COMMANDS.get(name or "")
    for add in _COMMANDS.values() if add_one is None else (add_one,):
        add(app)
    return app


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"dropexp {__version__}")
        raise typer.Exit


def _dropexp(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def _add(
    app: typer.Typer,
    command: Callable[..., Any],
    help_text: str,
    panel: str,
    context_settings: dict[str, Any] | None = None,
) -> None:
    app.command(
        cls=PlainHelpCommand,
        help=help_text,
        rich_help_panel=panel,
        context_settings=context_settings,
    )(command)


def _add_train(app: typer.Typer) -> None:
    from dropexp.cli.train import make_train_help, train

    _add(app, train, make_train_help(), _TRAIN, TAKES_OVERRIDES)


def _add_sweep(app: typer.Typer) -> None:
    from dropexp.cli.sweep import make_sweep_help, sweep

    _add(app, sweep, make_sweep_help(), _TRAIN, TAKES_OVERRIDES)


def _add_extend(app: typer.Typer) -> None:
    from dropexp.cli.sweep import EXTEND_HELP, extend

    _add(app, extend, EXTEND_HELP, _TRAIN)


def _add_tune(app: typer.Typer) -> None:
    from dropexp.cli.tune import TUNE_HELP, tune

    _add(app, tune, TUNE_HELP, _TRAIN, TAKES_OVERRIDES)


def _add_watch(app: typer.Typer) -> None:
    from dropexp.cli.sweep import WATCH_HELP, watch

    _add(app, watch, WATCH_HELP, _TRAIN)


def _add_compare(app: typer.Typer) -> None:
    from dropexp.cli.compare import COMPARE_HELP, compare

    _add(app, compare, COMPARE_HELP, _COMPARE)


def _add_learning_curve(app: typer.Typer) -> None:
    from dropexp.cli.learning_curve import LEARNING_CURVE_HELP, learning_curve

    _add(app, learning_curve, LEARNING_CURVE_HELP, _COMPARE)


def _add_effects(app: typer.Typer) -> None:
    from dropexp.cli.effects import EFFECTS_HELP, effects

    _add(app, effects, EFFECTS_HELP, _COMPARE)


def _add_early_stopping(app: typer.Typer) -> None:
    from dropexp.cli.early_stopping import EARLY_STOPPING_HELP, early_stopping

    _add(app, early_stopping, EARLY_STOPPING_HELP, _COMPARE)


def _add_report(app: typer.Typer) -> None:
    from dropexp.cli.report import REPORT_HELP, report

    _add(app, report, REPORT_HELP, _COMPARE)


def _add_forgetting(app: typer.Typer) -> None:
    from dropexp.cli.forgetting import FORGETTING_HELP, forgetting

    _add(app, forgetting, FORGETTING_HELP, _COMPARE)


def _add_board(app: typer.Typer) -> None:
    from dropexp.cli.report import BOARD_HELP, board

    _add(app, board, BOARD_HELP, _COMPARE)


def _add_runs(app: typer.Typer) -> None:
    from dropexp.cli.runs import runs

    app.add_typer(runs, rich_help_panel=_CHECK)


def _add_study(app: typer.Typer) -> None:
    from dropexp.cli.study import study

    app.add_typer(study, rich_help_panel=_CHECK)


def _add_export(app: typer.Typer) -> None:
    from dropexp.cli.export import export

    app.add_typer(export, rich_help_panel=_CHECK)


def _add_rerun(app: typer.Typer) -> None:
    from dropexp.cli.rerun import RERUN_HELP, rerun

    _add(app, rerun, RERUN_HELP, _CHECK)


def _add_audit(app: typer.Typer) -> None:
    from dropexp.cli.audit import AUDIT_HELP, audit

    _add(app, audit, AUDIT_HELP, _CHECK, TAKES_OVERRIDES)


def _add_doctor(app: typer.Typer) -> None:
    from dropexp.cli.doctor import DOCTOR_HELP, doctor

    _add(app, doctor, DOCTOR_HELP, _CHECK)


_COMMANDS: dict[str, Callable[[typer.Typer], None]] = {
    "train": _add_train,
    "sweep": _add_sweep,
    "extend": _add_extend,
    "tune": _add_tune,
    "watch": _add_watch,
    "compare": _add_compare,
    "learning-curve": _add_learning_curve,
    "effects": _add_effects,
    "early-stopping": _add_early_stopping,
    "report": _add_report,
    "forgetting": _add_forgetting,
    "board": _add_board,
    "runs": _add_runs,
    "study": _add_study,
    "export": _add_export,
    "rerun": _add_rerun,
    "audit": _add_audit,
    "doctor": _add_doctor,
}
"""Name → what adds the command to the command line; the help lists them in this order."""
