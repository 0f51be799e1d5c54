"""The effects of a factorial study as a terminal table, Markdown, CSV and JSON."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from rich.text import Text

from dropexp.compare.cells import Cell, estimate_cell
from dropexp.compare.data_files import replace_non_finite, write_csv, write_json
from dropexp.compare.effects.results import Effect, Effects
from dropexp.compare.markdown import escape_markdown, format_markdown_list, format_plain_table
from dropexp.compare.rules import TestKind
from dropexp.runs.metric_types import EpochChoice, Metric, Notation, Unit
from dropexp.statistics import Verdict
from dropexp.terminal.numbers import format_count
from dropexp.terminal.tables import Column, format_table, wrap_paragraphs

_EPOCHS = {
    EpochChoice.BEST: "at its lowest validation loss",
    EpochChoice.LAST: "at its last epoch",
    EpochChoice.MATCHED: "at the training loss that every run reaches",
}
_STYLES = {Verdict.BETTER: "green", Verdict.WORSE: "red", Verdict.PRACTICALLY_EQUAL: "cyan"}


def describe_effects(effects: Effects) -> list[str]:
    """Return the sentences above the table: what is shown, how to read it, how it was decided."""
    metric, rule = effects.metric, effects.rule
    side = "below" if metric.sign > 0 else "above"
    kind = "t" if effects.test.kind is TestKind.PLANNED else "anytime"
    tests = format_count(len(effects.effects), "effect")
    return [
        f"Effects on {metric.name} in {effects.factorial.describe_shape()} combinations on "
        f"{format_count(len(effects.seeds), 'seed')}, each run {_EPOCHS[effects.at]}.",
        f"A main effect is the mean difference to the first level over all other fields; {side} 0 "
        f"is {metric.improvement}. An interaction, A × B, is the effect of A with B less the "
        "effect of A without B: 0 where the two add up. Each seed gives one number for each; "
        f"{rule.confidence:.0%} {kind} intervals, each for one effect.",
        f"Verdicts: {effects.test.kind} test, {rule.correction_name} over {tests}, "
        f"p <= {rule.alpha:g}, {effects.test.reason}.",
    ]


def list_effect_columns(effects: Effects, notation: Notation) -> list[Column[Effect]]:
    """Return the columns of the table of effects."""
    metric = effects.metric

    def show_size(effect: Effect) -> str:
        cell = estimate_cell(effect.difference, metric, notation, is_signed=True)
        return cell.in_short

    def show_p(effect: Effect) -> str:
        p = effect.decision.adjusted_p
        return "" if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"

    def style(effect: Effect) -> str:
        return _STYLES.get(effect.decision.verdict, "")

    unit = " (points)" if notation is Notation.DOCUMENT and metric.unit is Unit.FRACTION else ""
    return [
        Column("effect", lambda each: each.name, align="left", is_required=True, wrap_to=24),
        Column(f"{metric.name}{unit}", show_size, is_required=True),
        Column("verdict", lambda each: each.verdict, align="left", style=style, is_required=True),
        Column(f"p ({effects.rule.correction_name})", show_p),
        Column("better in", _show_share),
    ]


class EffectColumn(NamedTuple):
    """A column of the table in a document.

    Attributes:
        heading: of the column.
        meaning: one sentence.
        is_text: whether its cells are no numbers.
    """

    heading: str
    meaning: str
    is_text: bool = False


@dataclass(frozen=True)
class EffectsTable:
    """Columns with their cells, one row for each effect; the first column names it."""

    columns: tuple[EffectColumn, ...]
    rows: tuple[tuple[Cell, ...], ...]


def make_effects_table(effects: Effects) -> EffectsTable:
    """Return the table of a document."""
    shown = list_effect_columns(effects, Notation.DOCUMENT)
    side = "below" if effects.metric.sign > 0 else "above"
    meanings = (
        "A field, or two fields joined by ×.",
        f"The size of the effect; {side} 0 is {effects.metric.improvement}.",
        "What may be claimed.",
        "The p-value, corrected for all effects.",
        "In how many seeds the effect is for the better.",
    )
    return EffectsTable(
        columns=tuple(
            EffectColumn(column.heading, meaning, column.align == "left")
            for column, meaning in zip(shown, meanings, strict=True)
        ),
        rows=tuple(_make_cells(effect, effects.metric, shown) for effect in effects.effects),
    )


def _make_cells(
    effect: Effect, metric: Metric, columns: Sequence[Column[Effect]]
) -> tuple[Cell, ...]:
    name, _, verdict, p, share = (Cell(column.cell(effect)) for column in columns)
    decision, pairs = effect.decision, effect.pairs
    return (
        name,
        estimate_cell(effect.difference, metric, Notation.DOCUMENT, is_signed=True),
        verdict._replace(
            sort_value=list(Verdict).index(decision.verdict), verdict=decision.verdict
        ),
        p._replace(sort_value=decision.adjusted_p),
        share._replace(sort_value=pairs.pairs_better / len(pairs.pairs)),
    )


def _show_share(effect: Effect) -> str:
    return f"{effect.pairs.pairs_better} of {len(effect.pairs.pairs)}"


def format_effects(effects: Effects, width: int | None) -> list[Text]:
    """Return effects as lines for a terminal.

    Args:
        effects: what to show.
        width: of the terminal in characters; None shows every column.
    """
    return [
        *wrap_paragraphs(describe_effects(effects), width, "dim"),
        Text(),
        *format_table(
            list_effect_columns(effects, Notation.TERMINAL),
            effects.effects,
            width=width,
            dropped_hint="-o table.csv has all",
        ),
        *([Text()] if effects.notes else []),
        *wrap_paragraphs(effects.notes, width, "yellow"),
    ]


def format_effects_markdown(effects: Effects) -> str:
    """Return effects as Markdown."""
    parts = [
        *map(escape_markdown, describe_effects(effects)),
        format_plain_table(list_effect_columns(effects, Notation.DOCUMENT), effects.effects),
        format_markdown_list(effects.notes),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def format_effects_csv(effects: Effects) -> str:
    """Return effects as CSV, one line for each, numbers unrounded."""
    return write_csv(tabulate_effects(effects))


def tabulate_effects(effects: Effects) -> list[dict[str, Any]]:
    """Return each effect as CSV column → value; None for no value."""
    return [replace_non_finite(_tabulate(effect)) for effect in effects.effects]


def _tabulate(effect: Effect) -> dict[str, Any]:
    decision = effect.decision
    return {
        "effect": effect.name,
        "kind": "interaction" if effect.is_interaction else "main",
        "size": decision.difference.value,
        "size_low": decision.difference.low,
        "size_high": decision.difference.high,
        "seeds": len(effect.pairs.pairs),
        "pairs_better": effect.pairs.pairs_better,
        "p_value": decision.p_value,
        "adjusted_p": decision.adjusted_p,
        "evidence": decision.evidence,
        "evidence_needed": decision.evidence_needed,
        "verdict": effect.verdict,
    }


def format_effects_json(effects: Effects) -> str:
    """Return effects as JSON: the factors, every cell's mean, and the effects."""
    return write_json(
        {
            "metric": effects.metric.key,
            "at": effects.at,
            "test": effects.test.kind,
            "test_reason": effects.test.reason,
            "correction": effects.rule.correction_name,
            "alpha": effects.rule.alpha,
            "margin": effects.rule.margin,
            "confidence": effects.rule.confidence,
            "seeds": effects.seeds,
            "sentences": describe_effects(effects),
            "notes": effects.notes,
            "factors": {factor.key: factor.levels for factor in effects.factors},
            "cells": [
                {
                    "setting": setting.name,
                    "levels": [
                        factor.levels[level]
                        for factor, level in zip(effects.factors, cell, strict=True)
                    ],
                    "mean": asdict(effects.estimate_mean(dict(enumerate(cell)))),
                }
                for cell, setting in effects.factorial.settings.items()
            ],
            "effects": [
                {**_tabulate(each), "pairs": [pair._asdict() for pair in each.pairs.pairs]}
                for each in effects.effects
            ],
        }
    )
