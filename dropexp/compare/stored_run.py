"""A run of a runs folder as it is compared: nothing is read of it that no table shows."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from dropexp.compare.settings import ComparedRun, Curves
from dropexp.errors import StoreError
from dropexp.runs.files import METRICS
from dropexp.runs.indexed_runs import IndexedRuns
from dropexp.runs.listed_run import ListedRun, ListedStatus, list_packed
from dropexp.runs.packed import mark_numbers
from dropexp.runs.records import METRICS_COLUMNS, OPTIONAL_COLUMNS, RunSummary
from dropexp.runs.write import RunFolder
from dropexp.statistics import area_between, rise_after_best

_HEADER = ",".join(METRICS_COLUMNS) + "\n"
_OLD_HEADER = (
    ",".join(column for column in METRICS_COLUMNS if column not in OPTIONAL_COLUMNS) + "\n"
)


def read_compared_runs(
    runs: Sequence[ListedRun], *, with_curves: bool = False
) -> Iterator[ComparedRun | StoreError]:
    """Yield each finished run as it is compared, or why it cannot be compared.

    Args:
        runs: finished runs.
        with_curves: whether curves are needed; they are kept.

    Yields:
        A run, or the error that its metrics.csv is missing, or needed and damaged.
    """
    stored = {packed: (packed.read("seed"), _list_stored(packed)) for packed in list_packed(runs)}
    for run in runs:
        compared: ComparedRun
        try:
            seeds, is_stored = ((), ()) if run.packed is None else stored[run.packed]
            if run.packed is not None and is_stored[run.place]:
                compared = StoredComparedRun(run, run.packed, seeds[run.place])
            else:
                compared = _read_other_run(run)
            if with_curves:
                compared.curves.table  # noqa: B018 (reads the file, which is kept)
        except StoreError as error:
            yield error
        else:
            yield compared


def _list_stored(packed: IndexedRuns) -> list[bool]:
    """Return of which runs all that is compared is packed."""
    is_new, needed = mark_numbers(("last.noisy_label_val_loss",)), mark_numbers(("rise", "area"))
    return [
        size > len(_OLD_HEADER if missing & is_new else _HEADER) and not missing & needed
        for missing, size in zip(packed.read("missing"), packed.read("metrics_size"), strict=True)
    ]


def _read_other_run(run: ListedRun) -> ComparedRun:
    """Return a run whose summary is older, lacks a finite epoch, or cannot be packed.

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


class StoredComparedRun(ComparedRun):
    """A run whose numbers are looked up when they are asked for.

    Args:
        listed: the run as a row.
        packed: its results with those of other seeds.
        seed: its run seed.
    """

    __slots__ = ("_curves", "_listed", "packed")
    packed: IndexedRuns
    _listed: ListedRun
    _curves: Curves

    def __init__(self, listed: ListedRun, packed: IndexedRuns, seed: int) -> None:
        _set_seed(self, seed)
        _set_listed(self, listed)
        _set_packed(self, packed)

    @property
    def run_id(self) -> str:
        """The name of its folder."""
        return self._listed.run_id

    @property
    def place(self) -> int:
        """Its place among those of other seeds."""
        return self._listed.place

    @property
    def summary(self) -> RunSummary:
        """The content of summary.json."""
        summary = self._listed.summary
        assert summary is not None, "only finished runs have one"
        return summary

    @property
    def curves(self) -> Curves:
        """The content of metrics.csv."""
        try:
            return self._curves
        except AttributeError:
            curves = CurvesOnDisk(self._listed.folder)
            object.__setattr__(self, "_curves", curves)
            return curves

    @property
    def rise(self) -> float:
        """The rise of the validation loss after its best epoch, nats."""
        return float(self._listed.get_result("rise"))

    @property
    def area(self) -> float:
        """The loss gap summed over epochs, nats × epochs."""
        return float(self._listed.get_result("area"))

    @property
    def threads(self) -> int | None:
        """The CPU threads of its config."""
        return self.packed.shared.fields.get("threads")

    @property
    def device(self) -> str | None:
        """The device of its config."""
        return self.packed.shared.fields.get("device")

    @property
    def p(self) -> float:
        """The drop probability."""
        return float(self.packed.shared.fields["regulariser.p"])

    @property
    def is_completed(self) -> bool:
        """Whether the run completed; if not, it diverged."""
        return self._listed.status is ListedStatus.FINISHED

    @property
    def is_proven(self) -> bool:
        """Whether its audit passed."""
        return self._listed.is_proven

    @property
    def has_mc_dropout(self) -> bool:
        """Whether it has results of MC dropout."""
        return self._listed.has_numbers("best.mc_passes")

    @property
    def has_forgetting(self) -> bool:
        """Whether it has tracked its training examples."""
        return self._listed.has_numbers("forgetting.forgetting_events")

    @property
    def has_variance_shift(self) -> bool:
        """Whether the variance shift of its batch norm was measured."""
        return self._listed.has_numbers("last.variance_shift")

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the lowest validation loss; None without a finite one."""
        epoch: int | None = self._listed.get_result("best.epoch")
        return epoch

    @property
    def epochs(self) -> int:
        """How many epochs were trained."""
        return self._listed.epochs

    @property
    def seconds(self) -> float:
        """The time of all epochs, training and evaluation."""
        return float(self._listed.get_result("seconds"))


# The class is frozen, and of a hundred thousand runs object.__setattr__ takes twice as long.
_set_seed = ComparedRun.__dict__["seed"].__set__
_set_listed = StoredComparedRun.__dict__["_listed"].__set__
_set_packed = StoredComparedRun.__dict__["packed"].__set__


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
