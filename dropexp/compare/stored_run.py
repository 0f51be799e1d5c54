"""A run of a runs folder as it is compared: nothing is read of it that no table shows."""

from collections.abc import Iterator
from contextlib import suppress
from itertools import compress
from operator import not_

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.compared_runs import ComparedRun, ComparedRuns, Curves
from dropexp.errors import StoreError
from dropexp.runs.files import METRICS
from dropexp.runs.listed_run import ListedRun
from dropexp.runs.packed import mark_numbers
from dropexp.runs.records import METRICS_COLUMNS, OPTIONAL_COLUMNS
from dropexp.runs.run_block import RunBlock
from dropexp.runs.write import RunFolder
from dropexp.statistics import area_between, rise_after_best

_HEADER = ",".join(METRICS_COLUMNS) + "\n"
_OLD_HEADER = (
    ",".join(column for column in METRICS_COLUMNS if column not in OPTIONAL_COLUMNS) + "\n"
)


def read_compared_runs(
    block: RunBlock, *, with_curves: bool = False
) -> Iterator[tuple[RunBlock, ComparedRuns | StoreError]]:
    """Yield finished runs as they are compared, or why one cannot be compared.

    Args:
        block: finished runs that differ in their seed only.
        with_curves: whether curves are needed; they are kept.

    Yields:
        A part of the block with its runs, or a run with the error that its metrics.csv is missing,
        or needed and damaged.
    """
    is_stored = [False] * len(block) if with_curves else _list_stored(block)
    stored = block.select(is_stored)
    if stored is not None:
        yield stored, _take_columns(stored)
    for place in compress(range(len(block)), map(not_, is_stored)):
        part = block.take([place])
        try:
            run = _read_run(part[0])
            if with_curves:
                run.curves.table  # noqa: B018 (reads the file, which is kept)
        except StoreError as error:
            yield part, error
        else:
            yield part, ComparedRuns.of([run])


def _list_stored(block: RunBlock) -> list[bool]:
    """Return of which runs all that is compared is packed."""
    if block.packed is None:
        return [False]
    is_new, needed = mark_numbers(("last.noisy_label_val_loss",)), mark_numbers(("rise", "area"))
    columns = zip(block.packed.read("missing"), block.packed.read("metrics_size"), strict=True)
    return [
        size > len(_OLD_HEADER if missing & is_new else _HEADER) and not missing & needed
        for missing, size in columns
    ]


def _take_columns(block: RunBlock) -> ComparedRuns:
    """Return runs of which all that is compared is packed."""
    packed = block.packed
    assert packed is not None
    fields = packed.shared.fields
    return ComparedRuns(
        packed.run_ids,
        list(packed.read("seed")),
        packed.records,
        [fields.get("threads")] * len(block),
        [fields.get("device")] * len(block),
        lambda place: _read_run(block[place]),
    )


def _read_run(run: ListedRun) -> ComparedRun:
    """Return a finished run; what an older summary lacks comes from its curves.

    Raises:
        StoreError: its metrics.csv is missing, or damaged.
    """
    is_new = run.has_numbers("last.noisy_label_val_loss")
    if run.metrics_size <= len(_HEADER if is_new else _OLD_HEADER):
        raise StoreError(f"{run.folder.path / METRICS} is missing, or holds no epoch.")
    summary, curves = run.summary, CurvesOnDisk(run.folder)
    assert summary is not None, "only finished runs have one"
    rise, area = summary.rise, summary.area
    if rise is None or area is None:
        rise = rise_after_best(curves["val_loss"]).last
        area = area_between(curves["train_loss"], _comparable_val_loss(curves))
    return ComparedRun(
        run_id=run.run_id,
        seed=summary.seed,
        summary=summary,
        curves=curves,
        rise=rise,
        area=area,
        threads=run.config.get("threads"),
        device=run.config.get("device"),
    )


def _comparable_val_loss(curves: Curves) -> NDArray[np.float64]:
    """Return the validation loss that the training loss may be subtracted from; see EpochRecord."""
    noisy = curves["noisy_label_val_loss"]
    return curves["val_loss"] if np.isnan(noisy).all() else noisy


class CurvesOnDisk(Curves):
    """The curves of a run, read from metrics.csv when a column is used for the first time.

    A table uses no curve, and reading all curves would take longer than everything else.

    Args:
        folder: the run folder.
    """

    __slots__ = ("_folder", "_read")
    _folder: RunFolder
    _read: NDArray[np.float64] | None

    def __init__(self, folder: RunFolder) -> None:
        object.__setattr__(self, "_folder", folder)  # the class is frozen
        object.__setattr__(self, "_read", None)

    @property
    def table(self) -> NDArray[np.float64]:
        """float64 of shape (epochs, len(METRICS_COLUMNS)).

        Raises:
            StoreError: the file is damaged.
        """
        if self._read is None:
            object.__setattr__(self, "_read", _read_table(self._folder))
        assert self._read is not None
        return self._read


def _read_table(folder: RunFolder) -> NDArray[np.float64]:
    text = folder.read_metrics(folder.read_summary().files.get(METRICS, ""))
    if text.startswith(_HEADER):
        cells = text[len(_HEADER) : -1].replace("\n", ",").split(",")
        # In a damaged file, read_records below raises an error that says where.
        with suppress(ValueError):
            return np.array(list(map(float, cells))).reshape(-1, len(METRICS_COLUMNS))
    rows = [list(record.to_row().values()) for record in folder.read_records()]
    return np.array(rows, dtype=np.float64).reshape(-1, len(METRICS_COLUMNS))
