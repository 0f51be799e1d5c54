"""The text of verdicts, and the notes below a table: what diverged, is missing or left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from shlex import quote

from dropexp.compare.counterparts import describe_opposites
from dropexp.compare.decisions import find_bound
from dropexp.compare.missing import describe_missing
from dropexp.compare.own_loops import describe_own_loops, find_unproven
from dropexp.compare.results import Comparison, Row
from dropexp.runs.question_types import MOST_SEEDS
from dropexp.statistics import MOST_MORE_SEEDS, SeedForecast, Verdict
from dropexp.terminal.numbers import format_count, list_few

NOT_COUNTED = "not counted"
"""The verdict of a row with pairs of which the test counts none, in every format."""


class Tone(Enum):
    """How serious a note is."""

    PLAIN = "plain"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence below a table."""

    text: str
    tone: Tone = Tone.PLAIN


def describe_verdict(comparison: Comparison, row: Row) -> str:
    """Return the text of a row's verdict with its forecast: ``no clear difference (+8–40)``."""
    claim = describe_claim(comparison, row)
    if row.forecast is None or claim != row.verdict:
        return claim
    return f"{claim} (+{describe_forecast(row.forecast)})"


def describe_claim(comparison: Comparison, row: Row) -> str:
    """Return the text of a row's verdict.

    The text of a row whose pairs the test does not count is ``not counted``, and that of a row
    without a verdict is ``baseline``, ``no baseline``, or ``not compared`` for
    a plain ``none`` that no setting is compared with.
    """
    if row.verdict is None:
        if row.setting.name in comparison.baselines:
            return "baseline"
        return "not compared" if row.setting.is_plain else "no baseline"
    if is_not_counted(row):
        return NOT_COUNTED
    if row.underfits:
        is_worse = row.verdict is Verdict.WORSE
        return "worse: underfits" if is_worse else f"{row.verdict}, underfits"
    return row.verdict


def is_not_counted(row: Row) -> bool:
    """Return whether a row has pairs and the test counts none of them."""
    return not row.pairs and row.uncounted > 0


def describe_forecast(forecast: SeedForecast) -> str:
    """Return a forecast as a range of more seeds: ``8–40``, ``8`` or ``≥8``."""
    if forecast.high is None:
        return f"≥{forecast.low}"
    if forecast.low == forecast.high:
        return str(forecast.low)
    return f"{forecast.low}–{forecast.high}"


def describe_notes(comparison: Comparison) -> list[Note]:
    """Return the notes below a table without times: what is open, and all problems."""
    return [*describe_open_rows(comparison), *describe_problems(comparison)]


def describe_open_rows(comparison: Comparison) -> list[Note]:
    """Return the notes on rows: metrics that disagree, why rows are open, (+k), what improves."""
    return [
        *(Note(text) for text in describe_opposites(comparison)),
        *(Note(text) for text in describe_too_few(comparison, comparison.rows)),
        *(Note(text) for text in _describe_forecasts(comparison)),
        *(Note(text) for text in _describe_small_effects(comparison)),
        *(Note(text) for text in describe_still_improving(comparison.rows)),
    ]


def describe_too_few(comparison: Comparison, rows: Sequence[Row]) -> list[str]:
    """Return the sentence on rows whose test could show nothing, whatever their data; else none."""
    lacking = [row for row in rows if row.verdict is Verdict.TOO_FEW_SEEDS and row.pairs]
    if not lacking:
        return []
    row = max(lacking, key=lambda each: len(each.pairs))
    what = "seed" if len(row.pairs) == row.n else "counted pair"
    # Joint sign flips have one floor for any number of rows.
    is_joint = comparison.rule.correction_name == "max-t"
    tests = "" if is_joint else f" and {format_count(comparison.tests, 'setting')} to test"
    return [
        f"With {format_count(len(row.pairs), what)}{tests}, no result can have a p-value below "
        f"{row.smallest_p:.2g}; a verdict needs {comparison.alpha:g}."
    ]


def describe_extension(comparison: Comparison) -> str:
    """Return how seeds are added to the compared runs until rows are decided, as a clause."""
    if comparison.source:
        return f"the same command counts them once they are in {comparison.source}"
    if any(row.setting.is_of_own_loop for row in comparison.rows):
        return "your own loop adds them"
    study = comparison.named_study
    if not study:
        study = comparison.studies[0] if len(comparison.studies) == 1 else "STUDY"
    needed = [
        len(row.setting.runs) + (row.forecast.high or MOST_MORE_SEEDS)
        for row in comparison.rows
        if row.forecast
    ]
    most = max(needed, default=0)
    limit = f" --most-seeds {most}" if most > MOST_SEEDS else ""
    return f"dropexp extend {quote(study)} --until-decided{limit} adds them"


def describe_effect_ends(forecasts: Sequence[SeedForecast]) -> str:
    """Return for which true effect a number of further seeds holds, as part of a sentence."""
    large = "if the true effect is at the large end of what the data allow"
    has_range = any(forecast.high not in (None, forecast.low) for forecast in forecasts)
    is_unbounded = any(forecast.high is None for forecast in forecasts)
    if has_range:
        more = f" (with ≥: more than {MOST_MORE_SEEDS})" if is_unbounded else ""
        return f"the first number {large}, the last{more} if it is at the small end"
    if is_unbounded:
        return f"{large} (with ≥, more than {MOST_MORE_SEEDS} if it is at the small end)"
    return "whether the true effect is at the large or at the small end of what the data allow"


def describe_last_seeds(forecasts: Sequence[SeedForecast]) -> str:
    """Return after which further seeds the chance to stay open is given, as part of a sentence."""
    is_unbounded = any(forecast.high is None for forecast in forecasts)
    if all(forecast.high is None for forecast in forecasts):
        return f"after {MOST_MORE_SEEDS} more"
    after = "after them"
    if any(forecast.high not in (None, forecast.low) for forecast in forecasts):
        after = "after the last number"
    return f"{after} (with ≥: after {MOST_MORE_SEEDS} more)" if is_unbounded else after


def _describe_forecasts(comparison: Comparison) -> list[str]:
    forecasts = [row.forecast for row in comparison.rows if row.forecast]
    if not forecasts:
        return []
    chances = sorted(forecast.still_open for forecast in forecasts)
    ends = dict.fromkeys(f"{chance:.0%}" for chance in (chances[0], chances[-1]))
    return [
        f"(+k): about k more seeds decide the row with {forecasts[0].power:.0%} probability, "
        f"{describe_effect_ends(forecasts)}. The chance that it stays open "
        f"{describe_last_seeds(forecasts)} is {' to '.join(ends)}; "
        f"{describe_extension(comparison)}."
    ]


def _describe_small_effects(comparison: Comparison) -> list[str]:
    """Return the sentence on open rows without a forecast, because any effect is small.

    A setting with too few seeds for a verdict has too few for this claim, too.
    """
    size = comparison.metric.describe_size
    small = [
        f"below {size(find_bound(row.difference))} in {row.setting.name}"
        for row in comparison.rows
        if row.is_small and row.difference is not None and row.verdict is not Verdict.TOO_FEW_SEEDS
    ]
    return [f"Any effect is small: {list_few(small, noun='setting')}."] if small else []


def describe_problems(comparison: Comparison) -> list[Note]:
    """Return the notes on runs that diverged, are missing or left out, or were made unlike."""
    return [
        *(Note(text, Tone.PROBLEM) for text in _describe_failures(comparison)),
        *(Note(text, Tone.WARNING) for text in describe_own_loops(comparison)),
        *(Note(text, Tone.WARNING) for text in describe_missing(comparison)),
        *(Note(text, Tone.WARNING) for text in _describe_unlike_threads(comparison)),
        *(Note(text, Tone.WARNING) for text in comparison.unlike_processors),
        *(Note(text, Tone.WARNING) for text in comparison.left_out),
    ]


def describe_times(comparison: Comparison) -> list[Note]:
    """Return the note below a table with times where they are not comparable; else none."""
    runs = [row.setting.runs for row in comparison.rows]
    threads = {number for each in runs for number in each.threads}
    devices = {device for each in runs for device in each.devices}
    differing = ["numbers of threads"] * (len(threads) > 1) + ["devices"] * (len(devices) > 1)
    if not differing:
        return []
    text = f"Times are not comparable: the runs used different {' and '.join(differing)}."
    return [Note(text)]


def _describe_failures(comparison: Comparison) -> list[str]:
    sentences = []
    for setting in (row.setting for row in comparison.rows):
        for seeds, what in (
            (setting.diverged_seeds, "diverged"),
            (find_unproven(setting), "without a passed audit"),
        ):
            if seeds:
                count = f"{len(seeds)} of {len(setting.runs)} runs"
                sentences.append(f"{setting.name}: {count} {what}.")
    return sentences


def describe_still_improving(rows: Sequence[Row]) -> list[str]:
    """Return sentences on settings most of whose runs were at their best when training ended.

    A run that early stopping ended does not count, nor does one of a single epoch.
    """
    by_epochs: dict[int, list[str]] = {}
    for setting in (row.setting for row in rows):
        epochs = setting.fields.get("train.epochs")
        columns = setting.completed.read("best.epoch"), setting.completed.read("last.epoch")
        improving = sum(each == (epochs, epochs) for each in zip(*columns, strict=True))
        if epochs and epochs > 1 and 2 * improving > len(setting.completed):
            count = f"{setting.name} ({improving} of {len(setting.completed)} runs)"
            by_epochs.setdefault(epochs, []).append(count)
    return [
        f"Still improving at their last epoch: {list_few(names, noun='setting')}. Longer training "
        f"may change the table: sweep again with train.epochs={2 * epochs} and another study name."
        for epochs, names in by_epochs.items()
    ]


def _describe_unlike_threads(comparison: Comparison) -> list[str]:
    """Return the sentence on pairs whose two runs had other numbers of CPU threads; else none."""
    of_settings = {
        row.setting.name: dict(zip(row.setting.runs.seeds, row.setting.runs.threads, strict=True))
        for row in comparison.rows
    }
    if len({number for by_seed in of_settings.values() for number in by_seed.values()}) < 2:
        return []
    unlike: dict[str, int] = {}
    threads: set[int | None] = set()
    for row in comparison.rows:
        of_baseline = of_settings.get(row.baseline or "", {})
        for seed, number in of_settings[row.setting.name].items():
            if of_baseline.get(seed, number) != number:
                unlike[row.setting.name] = unlike.get(row.setting.name, 0) + 1
                threads |= {number, of_baseline[seed]}
    if not unlike:
        return []
    names = [f"{name} ({format_count(count, 'pair')})" for name, count in unlike.items()]
    numbers = [str(n) for n in sorted(n for n in threads if n is not None)]
    numbers += ["an unrecorded number"] if None in threads else []
    return [
        f"Trained with other threads than the baseline ({' and '.join(numbers)}): "
        f"{list_few(names, noun='setting')}. Sums are rounded in another order, so these pairs "
        f"differ by more than the regulariser; threads=N with force=true trains runs again."
    ]
