"""The notes on settings that lack seeds or a baseline, and what to type for them."""

from collections.abc import Sequence
from shlex import quote

from dropexp.compare.results import Comparison, Row
from dropexp.compare.rules import TestKind
from dropexp.config.classics import CLASSICS, turn_off_classics
from dropexp.config.setting import P_KEY, is_of_regulariser, setting_key
from dropexp.errors import UserError
from dropexp.statistics import Verdict
from dropexp.terminal.numbers import list_few

_MOST_COMMANDS = 5  # each takes Hydra 0.1 s


def describe_missing(comparison: Comparison) -> list[str]:
    """Return sentences on settings that lack seeds that others have, or a baseline."""
    sentences = []
    alone = []
    composed: dict[str, list[str] | None] = {}
    for row in comparison.rows:
        setting = row.setting
        if setting.missing_seeds and not _may_have_fewer_seeds(comparison, row):
            seeds = _abbreviate_seeds(setting.missing_seeds)
            noun = "seed" if len(setting.missing_seeds) == 1 else "seeds"
            sentences.append(f"{setting.name}: lacks {noun} {seeds}, which other settings have.")
        if row.baseline is not None or setting.name in comparison.baselines:
            continue
        if comparison.source:
            sentences.append(f"{setting.name}: the file has no baseline for it.")
        elif setting.is_plain:
            alone.append(setting.name)
        else:
            advice = _advise_baseline(row, composed)
            sentences.append(f"{setting.name}: its baseline is missing. {advice}")
    if alone and len(alone) < len(comparison.rows):  # else the sentences above the table say so
        sentences.insert(
            0,
            f"Compared with nothing, because no other setting differs in its regulariser only: "
            f"{list_few(alone)}. --baseline compares them with another setting.",
        )
    return sentences


def _may_have_fewer_seeds(comparison: Comparison, row: Row) -> bool:
    """Return whether a row needs no more seeds: a search left it, or the anytime test decided."""
    if row.verdict is None or row.verdict is Verdict.EXPLORATION:
        return row.verdict is not None
    return comparison.test.kind is TestKind.ANYTIME and row.verdict.is_decided


def _abbreviate_seeds(seeds: Sequence[int]) -> str:
    """Return ``1, 5–9, 12`` for seeds in order."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][-1] + 1:
            parts[-1].append(seed)
        else:
            parts.append([seed])
    return ", ".join(
        f"{part[0]}–{part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts
    )


def _advise_baseline(row: Row, composed: dict[str, list[str] | None]) -> str:
    """Return ``Train it: …`` with the command that trains the baseline with the row's seeds.

    Where no command is known, or too many would have to be composed, only the override that
    makes a baseline is named.

    Args:
        row: a row without a baseline.
        composed: the overrides of baselines that were composed before; None where they cannot be.
    """
    from dropexp.runs.overrides import find_setting_overrides  # Hydra takes time to import

    setting = row.setting
    if setting.has_regulariser:
        first = ["regulariser=none"]
        others = {k: v for k, v in setting.fields.items() if not is_of_regulariser(k)}
        fields = others | {"regulariser.name": "none", P_KEY: 0.0}
    else:
        first = [CLASSICS[name].off_override for name in setting.classics]
        fields = turn_off_classics(setting.fields, setting.classics)
    key = setting_key(fields)
    if key not in composed and len(composed) < _MOST_COMMANDS:
        try:
            composed[key] = find_setting_overrides(fields)
        except UserError:
            composed[key] = None
    overrides = composed.get(key)
    if overrides is None:
        return f"Train it with {' '.join(first)}, all else equal."
    seeds = ",".join(map(str, sorted(setting.runs.seeds)))
    command = ["dropexp sweep", *map(quote, [*first, *overrides]), f"seed={seeds}"]
    return f"Train it: {' '.join(command)}"  # no full stop, which would be copied too
