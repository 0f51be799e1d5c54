"""The command that proves a regulariser on a model without training anything."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from dropexp.cli.audit_table import audit_table, format_value
from dropexp.cli.exit_codes import ExitCode
from dropexp.terminal.tables import Column, format_table

if TYPE_CHECKING:
    from dropexp.training.audit_report import AuditReport

AUDIT_HELP = (
    "Prove the regulariser on its model, as every run does before it trains, and train nothing.\n\n"
    "[bold]dropexp audit model=resnet regulariser=stochastic_depth p=0.4[/bold]\n\n"
    "Words are as for [bold]dropexp train[/bold]. Lists the sites that are filled, with the drop "
    "rate found at each, and every check with its bound and value. Exit code 1: one has failed."
)


class Format(StrEnum):
    """How an audit is written."""

    TABLE = "table"
    JSON = "json"


def audit(
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[OVERRIDES]...", show_default=False)
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="json is audit.json's content.")
    ] = Format.TABLE,
) -> None:
    from dropexp import data
    from dropexp.config.compose import compose_run
    from dropexp.training.build import (
        audit_model,
        build_model,
        describe_data_and_model,
        describe_sites,
    )
    from dropexp.training.environment import configure_torch, select_device

    config = compose_run(overrides or [])
    device = select_device(config.device)
    configure_torch(device, config.threads, config.deterministic)
    splits = data.load(config.data).to(device)
    model = build_model(config, splits)
    report = audit_model(config, splits, model)
    if format_ is Format.JSON:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        from dropexp.cli.run_console import RunConsole

        console = RunConsole()
        about = [
            f"{config.regulariser.name} p={config.regulariser.p:g}, seed {config.seed}",
            *describe_data_and_model(config, splits, model),
            f"sites  {describe_sites(config, splits)}; {len(report.sites)} filled",
        ]
        filled = {name: type(model.get_submodule(name)).__name__ for name in report.sites}
        checks = audit_table(report.to_json()["checks"], console.width)
        console.lines([*map(Text, about), *_site_lines(report, filled), Text(), *checks])
    if not report.passed:
        raise typer.Exit(ExitCode.FAILED)


def _site_lines(report: "AuditReport", filled: dict[str, str]) -> list[Text]:
    columns: tuple[Column[str], ...] = (
        Column("site", str, align="left"),
        Column("filled by", lambda name: filled[name], align="left"),
        Column("p", lambda name: f"{report.sites[name]:.4g}"),
        Column("drop\nrate", lambda name: format_value(report.drop_rates.get(name))),
    )
    return [Text(), *format_table(columns, list(report.sites))] if report.sites else []
