"""Which training images the runs of settings forgot, by their histories; imports no torch."""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.found_runs import FoundRun, FoundRuns
from dropexp.compare.grouping import group_runs
from dropexp.compare.rules import CONFIDENCE
from dropexp.compare.settings import Setting
from dropexp.errors import StoreError, UserError
from dropexp.runs.examples import ExampleHistory, read_examples
from dropexp.runs.write import RunFolder
from dropexp.statistics import Estimate, mean_interval
from dropexp.terminal.numbers import format_count
from dropexp.terminal.plain_text import escape_in_json, make_csv_cell

_MOST_COUNTS = 8
"""Of forgetting events that a chart shows one by one; the last stands for all larger ones."""

_SHARE_SHOWN = 0.99  # of the learned images, by single counts


@dataclass(frozen=True)
class TrackedRun:
    """A completed run with the history of its training images."""

    folder: RunFolder
    seed: int
    history: ExampleHistory


@dataclass(frozen=True)
class TrackedSetting:
    """The runs of a setting that have tracked their training images, by seed."""

    setting: Setting
    runs: tuple[TrackedRun, ...]

    @property
    def name(self) -> str:
        """The setting's name in tables."""
        return self.setting.name


@dataclass(frozen=True, slots=True)
class ForgottenImage:
    """An image with one label, in the runs of a setting that were trained on both.

    Attributes:
        source_index: its place among the training images of its source.
        label: the label trained on.
        true_label: the label before label noise.
        runs: how many runs were trained on it with this label.
        forgetting_events: the mean over these runs.
        never_learned: in how many of them it was never learned.
        rank: the mean over these runs of its rank among the run's images, in [0, 1]; 1 is the
            most forgotten. Images that were never learned rank highest.
        folder: of one of these runs, the first seed.
        place: of the image among that run's training images.
    """

    source_index: int
    label: int
    true_label: int
    runs: int
    forgetting_events: float
    never_learned: int
    rank: float
    folder: Path
    place: int

    @property
    def is_wrong(self) -> bool:
        """Whether label noise has made the label wrong."""
        return self.label != self.true_label


@dataclass(frozen=True, slots=True)
class CountShare:
    """How many images of a setting were forgotten so often.

    Attributes:
        count: the forgetting events, as text: ``0``, ``1``, …, ``5+`` or ``never learned``.
        is_wrong: whether the images are those with a wrong label, or those with a right one.
        share: their fraction among these images, mean over runs.
    """

    count: str
    is_wrong: bool
    share: Estimate


def read_tracked_settings(found: FoundRuns) -> tuple[list[TrackedSetting], list[str]]:
    """Return the settings in view with their tracked runs, and sentences on what is not shown.

    Raises:
        UserError: no run has tracked its images.
    """
    settings, untracked, in_another_order = [], [], 0
    for setting, batches in group_runs(found.in_view):
        seeds = set(setting.completed.seeds)
        tracked = []
        for run in sorted((run for batch in batches for run in batch), key=_get_seed):
            if _get_seed(run) not in seeds:
                continue  # diverged
            folder = run.listed.folder
            try:
                tracked.append(TrackedRun(folder, _get_seed(run), read_examples(folder)))
            except StoreError as error:
                untracked.append(str(error))
                continue
            found_wrong = run.compared.summary.forgetting
            if found_wrong is not None and found_wrong.wrong_label_precision is None:
                in_another_order += bool(tracked[-1].history.is_wrong.any())
        if tracked:
            settings.append(TrackedSetting(setting, tuple(tracked)))
    if not settings:
        more = f" {untracked[0]}" if untracked else ""
        raise UserError(f"no run has tracked its training images.{more}")
    if in_another_order:
        untracked.append(
            f"{format_count(in_another_order, 'run')} of an earlier dropexp ordered equally often "
            f"forgotten images in another way: the wrong labels found are not shown. force=true "
            f"track_examples=true trains a run again and measures them."
        )
    return settings, untracked


def _get_seed(run: FoundRun) -> int:
    return run.compared.seed


def list_images(settings: Iterable[TrackedSetting]) -> list[dict[str, object]]:
    """Return a row for each image of each run, the most forgotten of a run first; for files."""
    rows: list[dict[str, object]] = []
    for tracked in settings:
        for run in tracked.runs:
            history, forgetting = run.history, run.history.forgetting
            ranks = rank_by_score(forgetting.scores)
            for place in np.argsort(-ranks, kind="stable"):
                learned_at = int(forgetting.learned_at[place])
                rows.append(
                    {
                        "setting": tracked.name,
                        "run_id": run.folder.run_id,
                        "seed": run.seed,
                        "source_index": int(history.source_index[place]),
                        "label": int(history.labels[place]),
                        "true_label": int(history.true_labels[place]),
                        "forgetting_events": int(forgetting.events[place]),
                        "learned_at": learned_at or None,
                        "fitted_at_end": bool(forgetting.is_fitted[place]),
                        "rank": float(ranks[place]),
                    }
                )
    return rows


def rank_by_score(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks in [0, 1], the highest score near 1; equal scores share their mean rank.

    Args:
        scores: (N,), N ≥ 1; infinite ones are allowed.
    """
    ordered = np.sort(scores)
    below = np.searchsorted(ordered, scores, side="left")
    up_to = np.searchsorted(ordered, scores, side="right")
    return np.asarray((below + up_to) / (2 * len(scores)))


def find_most_forgotten(tracked: TrackedSetting, most: int) -> list[ForgottenImage]:
    """Return the images that a setting forgot most, by their mean rank over its runs."""
    places: dict[tuple[int, int], list[tuple[TrackedRun, int, float]]] = {}
    for run in tracked.runs:
        history = run.history
        ranks = rank_by_score(history.forgetting.scores)
        keys = zip(history.source_index.tolist(), history.labels.tolist(), strict=True)
        for place, (key, rank) in enumerate(zip(keys, ranks.tolist(), strict=True)):
            places.setdefault(key, []).append((run, place, rank))
    images = [_summarise_image(key, seen) for key, seen in places.items()]
    # The image in more runs first: its mean rank is surer.
    images.sort(key=lambda image: (-image.rank, -image.runs, image.source_index))
    return images[:most]


def _summarise_image(
    key: tuple[int, int], seen: Sequence[tuple[TrackedRun, int, float]]
) -> ForgottenImage:
    first, place, _ = seen[0]
    events = [int(run.history.forgetting.events[at]) for run, at, _ in seen]
    never = [not run.history.forgetting.is_learned[at] for run, at, _ in seen]
    return ForgottenImage(
        source_index=key[0],
        label=key[1],
        true_label=int(first.history.true_labels[place]),
        runs=len(seen),
        forgetting_events=sum(events) / len(events),
        never_learned=sum(never),
        rank=sum(rank for *_, rank in seen) / len(seen),
        folder=first.folder.path,
        place=place,
    )


def count_shares(settings: Sequence[TrackedSetting]) -> Mapping[str, list[CountShare]]:
    """Return how often images were forgotten: setting's name → shares of right and wrong labels.

    All settings have the same counts, so that their charts can be compared.
    """
    learned = [
        run.history.forgetting.events[run.history.forgetting.is_learned]
        for tracked in settings
        for run in tracked.runs
    ]
    together = np.concatenate(learned)
    enough = int(np.quantile(together, _SHARE_SHOWN)) if len(together) else 0
    last = min(enough, _MOST_COUNTS)
    return {tracked.name: _count_shares_of(tracked, last) for tracked in settings}


def _count_shares_of(tracked: TrackedSetting, last: int) -> list[CountShare]:
    names = [*map(str, range(last)), f"{last}+", "never learned"]
    shares = []
    for is_wrong in (False, True):
        of_runs = []
        for run in tracked.runs:
            chosen = run.history.is_wrong == is_wrong
            if not chosen.any():
                continue
            forgetting = run.history.forgetting
            bins = np.where(forgetting.is_learned, np.minimum(forgetting.events, last), last + 1)
            counts = np.bincount(bins[chosen], minlength=last + 2)
            of_runs.append(counts / chosen.sum())
        for name, values in zip(names, np.transpose(of_runs), strict=False):
            share = mean_interval(values.tolist(), CONFIDENCE).clip((0.0, 1.0))
            shares.append(CountShare(name, is_wrong, share))
    return shares


def format_images_as_csv(settings: Iterable[TrackedSetting]) -> str:
    """Return the rows of list_images as CSV."""
    rows = list_images(settings)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows(map(make_csv_cell, row.values()) for row in rows)
    return file.getvalue()


def format_images_as_json(settings: Iterable[TrackedSetting]) -> str:
    """Return the rows of list_images as JSON."""
    return escape_in_json(json.dumps(list_images(settings), indent=2, ensure_ascii=False)) + "\n"
