"""What learning curves say, in sentences and in cells: worth, laws, and what is not known."""

import math
from collections.abc import Iterator

from dropexp.compare.learning.results import LearningCurve, LearningCurves, Worth, WorthBounds
from dropexp.compare.learning.worth import FEWEST_SEEDS
from dropexp.runs.metric_types import EpochChoice
from dropexp.terminal.numbers import format_count

_EPOCHS = {
    EpochChoice.BEST: "at its lowest validation loss",
    EpochChoice.LAST: "at its last epoch",
    EpochChoice.MATCHED: "at the training loss that every run reaches",
}


def describe_curves(curves: LearningCurves) -> str:
    """Return the sentence on what is shown."""
    confidence = f"{curves.comparison.confidence:.0%}"
    return (
        f"Learning curves of {curves.quantity}: means over seeds with {confidence} t intervals, "
        f"each run {_EPOCHS[curves.comparison.at]}."
    )


def explain_worth(curves: LearningCurves) -> str:
    """Return the sentence on how worth is measured; empty where there is none."""
    if not any(curve.worths for curve in curves.curves):
        return ""
    return (
        "Worth: how many more training images the baseline needs for the same "
        f"{curves.quantity}, by a + b · n^(−c) fitted to both; "
        f"{curves.comparison.confidence:.0%} bootstrap intervals over seeds, for one row. Sizes "
        "that the baseline was not trained on are not extrapolated to."
    )


def answer_all(curves: LearningCurves) -> list[str]:
    """Return the answer at the chosen size for each curve with a baseline, or why there is none."""
    answers = []
    for curve in curves.curves:
        if curve.baseline is None:
            continue
        worth = curve.worth_at(curves.answer_size)
        if worth is not None:
            answers.append(_answer(curves, curve, worth))
        elif curve.no_worth:
            answers.append(curve.no_worth)
    return answers


def _answer(curves: LearningCurves, curve: LearningCurve, worth: Worth) -> str:
    start = f"At {worth.size:,} images, {curve.name}"
    base, quantity = curve.baseline, curves.quantity
    largest, smallest = worth.size + worth.most, worth.size + worth.least
    match worth.bounds:
        case WorthBounds.NONE:
            return (
                f"{start} may be worth any number of images: the interval is wider than the sizes "
                f"of {base}, {smallest:,.0f} to {largest:,.0f}. Train more seeds."
            )
        case WorthBounds.LOWER:
            return (
                f"{start} is worth at least {_say_images(worth.bound)}. There is no upper end: "
                f"with {largest:,.0f}, the most that it was trained on, {base} "
                f"{'does not reach' if worth.value == math.inf else 'may not reach'} this "
                f"{quantity}."
            )
        case WorthBounds.UPPER:
            return (
                f"{start} is worth at most {_say_images(worth.bound)}. There is no lower end: "
                f"with {smallest:,.0f}, the fewest that it was trained on, {base} "
                f"{'has' if worth.value == -math.inf else 'may have'} this {quantity}."
            )
        case WorthBounds.BOTH:
            ends = f"[{_round_images(worth.low):+,d}, {_round_images(worth.high):+,d}]"
            return (
                f"{start} is worth {_say_images(worth.value)} {ends}: {base} needs "
                f"{_round_images(worth.size + worth.value):,d} for the same {quantity}."
            )


def _say_images(number: float) -> str:
    """Return ``190 more images``, ``60 images less``."""
    size = abs(_round_images(number))
    noun = "image" if size == 1 else "images"
    return f"{size:,} {noun} less" if _round_images(number) < 0 else f"{size:,} more {noun}"


def _round_images(number: float) -> int:
    return round(number)


def describe_worth(worth: Worth) -> str:
    """Return a worth as a cell: ``+190 [+120, +290]``, ``>= +40``, ``<= -5``, ``unknown``."""
    match worth.bounds:
        case WorthBounds.BOTH:
            ends = f"[{_round_images(worth.low):+,d}, {_round_images(worth.high):+,d}]"
            return f"{_round_images(worth.value):+,d} {ends}"
        case WorthBounds.LOWER:
            return f">= {_round_images(worth.bound):+,d}"
        case WorthBounds.UPPER:
            return f"<= {_round_images(worth.bound):+,d}"
        case WorthBounds.NONE:
            return "unknown"


def describe_laws(curves: LearningCurves) -> list[str]:
    """Return a line on each fitted law."""
    return [line for curve in curves.curves for line in _describe_law(curve)]


def _describe_law(curve: LearningCurve) -> Iterator[str]:
    law = curve.law
    if law is None:
        return
    exponent = f"{law.c.value:.2f}"
    if math.isfinite(law.c.low):
        exponent += f" [{law.c.low:.2f}, {law.c.high:.2f}]"
    text = f"{curve.name}: {law.a:.3g} + {law.b:.3g} · n^(−c), c = {exponent}"
    if law.misfit is not None:
        text += f"; it does not fit: {law.miss:+.3g} from the mean at {law.misfit:,} images"
    elif curve.law is not None and len(curve.seeds) < FEWEST_SEEDS:
        text += f"; {format_count(len(curve.seeds), 'seed')}, too few for intervals"
    yield text
