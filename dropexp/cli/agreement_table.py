"""How far the numbers of a rerun agree with the recorded ones, as lines for a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from dropexp.terminal.numbers import format_count
from dropexp.terminal.tables import Column, format_table
from dropexp.training.agreement import (
    ACCURACY_TOLERANCE,
    RELATIVE_TOLERANCE,
    Agreement,
    AgreementVerdict,
    MetricDifference,
    RerunResult,
)


def format_rerun(result: RerunResult) -> list[Text]:
    """Return the verdict of a rerun, and the largest differences where numbers differ."""
    agreement = result.agreement
    lines = [_format_verdict(agreement)]
    recorded, now = agreement.epochs
    if recorded != now:
        lines.append(Text(f"  epochs: {recorded} recorded, {now} now"))
    if agreement.best_epochs[0] != agreement.best_epochs[1]:
        before, after = (epoch or "none" for epoch in agreement.best_epochs)
        lines.append(Text(f"  best epoch: {before} recorded, {after} now"))
    if agreement.differences and agreement.verdict is AgreementVerdict.DIFFERS:
        lines += [Text(), *_format_differences(agreement.differences)]
    if agreement.verdict is not AgreementVerdict.IDENTICAL:
        lines += [Text(), *_format_environment(result.environment)]
    return lines


def _format_verdict(agreement: Agreement) -> Text:
    epochs = format_count(agreement.epochs[0], "epoch")
    if agreement.verdict is AgreementVerdict.IDENTICAL:
        return Text.assemble(
            ("identical", "bold green"), f": every number of {epochs} is as recorded"
        )
    if agreement.verdict is AgreementVerdict.DIFFERS:
        return Text.assemble(
            ("does not agree", "bold red"),
            f": a loss may differ by {RELATIVE_TOLERANCE:g} of its value, "
            f"an accuracy by {ACCURACY_TOLERANCE:g}",
        )
    largest = agreement.largest
    if largest is None:
        return Text.assemble(
            ("agrees", "bold green"), f": every number of {epochs} but the best epoch"
        )
    return Text.assemble(
        ("agrees", "bold green"),
        f" to within {largest.size:.2g} over {epochs} "
        f"(the largest difference: {largest.metric}, {largest.where})",
    )


def _format_differences(differences: Sequence[MetricDifference]) -> list[Text]:
    columns: tuple[Column[MetricDifference], ...] = (
        Column("largest difference in", lambda each: each.metric, align="left"),
        Column("at", lambda each: each.where, align="left"),
        Column("recorded", lambda each: f"{each.recorded:.6g}"),
        Column("now", lambda each: f"{each.now:.6g}"),
        Column("difference", lambda each: f"{each.size:.2g}"),
        Column("", lambda each: "" if each.is_within_tolerance else "too large", align="left"),
    )
    return format_table(columns, differences, indent=2)


def _format_environment(differing: Mapping[str, tuple[Any, Any]]) -> list[Text]:
    if not differing:
        return [Text("the recorded machine and versions are the same as these")]
    columns: tuple[Column[tuple[str, tuple[Any, Any]]], ...] = (
        Column("environment", lambda item: item[0], align="left"),
        Column("recorded", lambda item: str(item[1][0]), align="left"),
        Column("now", lambda item: str(item[1][1]), align="left"),
    )
    return format_table(columns, list(differing.items()), indent=2)
