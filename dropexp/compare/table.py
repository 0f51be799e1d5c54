"""A comparison as lines of text for a terminal."""

import math
from collections.abc import Callable

from rich.text import Text

from dropexp.compare.highlights import other_axes
from dropexp.compare.results import Comparison, Metric, Row
from dropexp.config.classics import CLASSICS
from dropexp.runs.metrics import in_words
from dropexp.statistics import Estimate, Verdict
from dropexp.terminal.numbers import format_number
from dropexp.terminal.tables import Column, format_table, wrap_text

_SAMPLED = tuple(metric.value for metric in Metric if metric.is_sampled)
_NARROWEST_NAME = 20
_STYLES = {
    Verdict.BETTER: "green",
    Verdict.WORSE: "red",
    Verdict.TOO_FEW_SEEDS: "yellow",
    Verdict.NO_CLEAR_DIFFERENCE: "",
}


def lines(comparison: Comparison, width: int | None) -> list[Text]:
    """How to read the table, the table, and below it what else there is to know.

    Args:
        comparison: what to show.
        width: of the terminal in columns; None shows every column.
    """
    above = [line for sentence in comparison.sentences for line in wrap_text(sentence, width)]
    return [
        *(Text(text, style="dim") for text in above),
        Text(),
        *format_table(_columns(comparison), comparison.rows, width=width),
        *_notes(comparison, width),
    ]


def verdict_words(comparison: Comparison, row: Row) -> str:
    """The verdict, and with too few seeds how many more would settle it: ``too few seeds (+7)``.

    What a row without a verdict is: ``baseline``, ``no baseline``, or for plain ``none`` beside
    which there is nothing ``not compared``.
    """
    if row.verdict is None:
        if row.setting.name in comparison.baselines:
            return "baseline"
        return "not compared" if row.setting.is_plain else "no baseline"
    if row.underfits:
        is_named = row.verdict is Verdict.WORSE
        return "worse: underfits" if is_named else f"{row.verdict}, underfits"
    more = more_seeds(row)
    if row.verdict is Verdict.TOO_FEW_SEEDS and more:
        return f"{row.verdict} (+{more})"
    return str(row.verdict)


def more_seeds(row: Row) -> int | None:
    """How many more seeds would settle a difference of this size; None if that is not known."""
    more = 0 if row.pairs_needed is None else row.pairs_needed - len(row.pairs)
    return more if more > 0 else None


# --- cells --------------------------------------------------------------------------------


def _columns(comparison: Comparison) -> list[Column[Row]]:
    """The most important first: what has no room is dropped from the end."""
    metric, others = comparison.metric, _other_estimates(comparison.metric)

    def verdict(row: Row) -> str:
        return verdict_words(comparison, row)

    return [
        Column(
            "setting",
            lambda row: row.setting.name,
            align="left",
            is_required=True,
            wrap_to=_NARROWEST_NAME,
        ),
        Column("n", _count, is_required=True),
        Column(_heading(metric), _estimate(metric, interval=True), is_required=True),
        Column("vs\nbaseline", lambda row: _plus_minus(row.difference, "+"), is_required=True),
        Column("verdict", verdict, align="left", style=_style, is_required=True),
        *_gap(Metric.LOSS_GAP, metric),
        *_epochs(comparison),
        Column("better\nin", _wins),
        Column("p\n(Holm)", lambda row: _probability(row.adjusted_p)),
        Column("P(better)\nnew seed", lambda row: _share(row.better)),
        Column("more\nseeds", lambda row: str(more_seeds(row) or "")),
        *(Column(_heading(key), _estimate(key)) for key in others),
        *_gap(Metric.ACC_GAP, metric),
        Column("best\nepoch", _estimate("best_epoch", digits=1)),
        Column("rise\nafter", _estimate("rise", "+")),
        Column("area\nbetween", _estimate("area", digits=2)),
        Column("test\nECE", _estimate("test_ece")),
        Column("test\nentropy", _estimate("test_entropy")),
        *(Column(_heading(key), _estimate(key)) for key in _SAMPLED if key != metric.value),
        Column("noisy\nlabels", _estimate("noisy_label_acc")),
        Column("s per\nepoch", _estimate("seconds_per_epoch")),
        Column("parameters", lambda row: f"{row.parameters:,}"),
    ]


def _gap(gap: Metric, decides: Metric) -> list[Column[Row]]:
    """A column, where the gap is not the metric and has one already."""
    return [] if gap is decides else [Column(_heading(gap), _estimate(gap, "+"))]


def _epochs(comparison: Comparison) -> list[Column[Row]]:
    """A column of how many were trained, where settings differ in it: what early stopping saves."""
    known = {row.estimates["epochs"].value for row in comparison.rows if "epochs" in row.estimates}
    return [Column("epochs\ntrained", _estimate("epochs", digits=1))] if len(known) > 1 else []


def _other_estimates(metric: Metric) -> list[str]:
    keys = ("test_acc", "test_loss", "val_loss", "val_acc", "train_loss", "train_acc")
    return [key for key in keys if key != metric.value]


def _heading(key: str) -> str:
    """Return a metric's words in two lines."""
    return "\n".join(in_words(key).rsplit(" ", 1))


def _count(row: Row) -> str:
    """The completed runs; of how many, where some diverged."""
    diverged = len(row.setting.diverged)
    return f"{row.n}/{row.n + diverged}" if diverged else str(row.n)


def _estimate(
    key: str, sign: str = "", *, interval: bool = False, digits: int = 3
) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        estimate = row.estimates.get(key)
        if estimate is None or math.isnan(estimate.value):
            return ""
        if interval:
            return _plus_minus(estimate, sign)
        return (
            format_number(estimate.value, sign)
            if digits == 3
            else f"{estimate.value:{sign}.{digits}f}"
        )

    return cell


def _plus_minus(estimate: Estimate | None, sign: str = "") -> str:
    if estimate is None or math.isnan(estimate.value):
        return ""
    half = estimate.high - estimate.value
    width = "" if math.isnan(half) else f" ±{format_number(half)}"
    return f"{format_number(estimate.value, sign)}{width}"


def _wins(row: Row) -> str:
    return f"{row.pairs_better} of {len(row.pairs)}" if row.pairs else ""


def _share(estimate: Estimate | None) -> str:
    if estimate is None or math.isnan(estimate.value):
        return ""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _probability(p: float | None) -> str:
    if p is None or math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _style(row: Row) -> str:
    return _STYLES[row.verdict] if row.verdict is not None else ""


# --- lines --------------------------------------------------------------------------------


def _notes(comparison: Comparison, width: int | None) -> list[Text]:
    notes = [
        *((text, "red") for text in diverged_sentences(comparison)),
        *((text, "yellow") for text in missing_sentences(comparison)),
        *((text, "yellow") for text in comparison.left_out),
    ]
    if any("(+" in verdict_words(comparison, row) for row in comparison.rows):
        notes.insert(0, ("(+k): k more seeds would settle a difference of this size.", "dim"))
    found = [Text(part, style) for text, style in notes for part in wrap_text(text, width)]
    return [Text(), *found] if found else []


def diverged_sentences(comparison: Comparison) -> list[str]:
    """One for each setting of which runs diverged, or whose audit did not pass."""
    found = []
    for setting in (row.setting for row in comparison.rows):
        runs = len(setting.members) + len(setting.diverged)
        for count, words in (
            (len(setting.diverged), "diverged"),
            (len(setting.unproven), "without a passed audit"),
        ):
            if count:
                found.append(f"{setting.name}: {count} of {runs} runs {words}.")
    return found


def missing_sentences(comparison: Comparison) -> list[str]:
    """One for each setting that lacks seeds which settings beside it have, or a baseline."""
    found = []
    for row in comparison.rows:
        if row.setting.missing_seeds:
            seeds = ", ".join(map(str, row.setting.missing_seeds))
            found.append(f"{row.setting.name}: lacks seed {seeds}, which others have.")
        if row.baseline is not None or row.setting.name in comparison.baselines:
            continue
        if row.setting.is_plain:
            found.append(
                f"{row.setting.name}: nothing here differs from it in its regulariser only; "
                f"--baseline compares with another setting."
            )
        else:
            found.append(
                f"{row.setting.name}: no baseline to compare it with; "
                f"{' '.join(_baseline_words(comparison, row))}, all else as here, trains one."
            )
    return found


def _baseline_words(comparison: Comparison, row: Row) -> list[str]:
    """What to say to train the baseline of a setting: without its regulariser, or its classics."""
    fields, on = row.setting.fields, row.setting.classics
    kept = [CLASSICS[name] for name in on] if row.setting.has_regulariser else []
    words = [] if kept else [CLASSICS[name].off_override for name in on]
    words = words or ["regulariser=none"]
    words += [each.on_override for each in kept if each.on_override]
    told = [key for each in kept for key in each.active_fields(fields)]
    told += [key for key in other_axes(comparison) if key in fields]
    return [*words, *(f"{key}={fields[key]}" for key in told)]
