"""The command that proves a regulariser on a model without training anything."""

import json
import math
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from dropexp.cli.exit_codes import ExitCode
from dropexp.terminal.columns import Column, headings, line

if TYPE_CHECKING:
    from dropexp.terminal.columns import Item
    from dropexp.training.audit_report import AuditReport, Check

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

        about = [
            f"{config.regulariser.name} p={config.regulariser.p:g}, seed {config.seed}",
            *describe_data_and_model(config, splits, model),
            f"sites  {describe_sites(config, splits)}; {len(report.sites)} filled",
        ]
        filled = {name: type(model.get_submodule(name)).__name__ for name in report.sites}
        RunConsole().lines([*map(Text, about), *_site_lines(report, filled), *_check_lines(report)])
    if not report.passed:
        raise typer.Exit(ExitCode.FAILED)


def _site_lines(report: "AuditReport", filled: dict[str, str]) -> list[Text]:
    columns: tuple[Column[str], ...] = (
        Column("", "site", str, is_text=True),
        Column("", "filled by", lambda name: filled[name], is_text=True),
        Column("", "p", lambda name: f"{report.sites[name]:.4g}"),
        Column("drop", "rate", lambda name: _number(report.realised.get(name, math.nan))),
    )
    return [Text(), *_table(columns, list(report.sites))] if report.sites else []


def _check_lines(report: "AuditReport") -> list[Text]:
    columns: tuple[Column[Check], ...] = (
        Column("", "", lambda check: "ok" if check.passed else "FAILED", is_text=True),
        Column("", "check", lambda check: check.name, is_text=True),
        Column("", "value", lambda check: _number(check.value)),
        Column("", "bound", lambda check: f"{check.relation} {_number(check.bound)}"),
        Column("", "what was measured", lambda check: check.meaning, is_text=True),
    )
    return [Text(), *_table(columns, report.checks)]


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}"


def _table(columns: "Sequence[Column[Item]]", items: "Sequence[Item]") -> list[Text]:
    cells = [[column.cell(item) for column in columns] for item in items]
    widths = [
        max(len(column.above), len(column.below), *(len(row[index]) for row in cells))
        for index, column in enumerate(columns)
    ]
    heads = [head for head in headings(columns, widths) if head.plain]
    return [*heads, *(Text(line(row, columns, widths)) for row in cells)]
