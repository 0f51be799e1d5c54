"""The results of analyses for notebooks and scripts: rows, text, data frames and charts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from dropexp.api.html import render_comparison, render_table
from dropexp.api.table_result import TableResult
from dropexp.cli.analyses import FORGETTING_COLUMNS, Forgetting
from dropexp.compare.early_stopping import StoppingRow, StoppingShares
from dropexp.compare.early_stopping_output import (
    describe_limits,
    describe_shares,
    format_shares,
    list_share_columns,
    tabulate_shares,
)
from dropexp.compare.effects import Effect, Effects
from dropexp.compare.effects.output import (
    describe_effects,
    format_effects,
    list_effect_columns,
    tabulate_effects,
)
from dropexp.compare.forgotten import (
    ForgottenImage,
    TrackedSetting,
    count_shares,
    find_most_forgotten,
    list_images,
)
from dropexp.compare.learning import LearningCurve, LearningCurves
from dropexp.compare.learning.output import (
    format_learning_curves,
    list_curve_columns,
    list_lines,
    tabulate_curves,
)
from dropexp.compare.learning.sentences import answer_all, describe_curves, describe_laws
from dropexp.compare.results import Row
from dropexp.compare.table import format_comparison
from dropexp.errors import UserError, suggest
from dropexp.runs.metric_types import Notation

if TYPE_CHECKING:
    import altair as alt

    from dropexp.report.charts.panels import Figure

    Chart = alt.LayerChart | alt.VConcatChart


@dataclass(frozen=True, repr=False, eq=False)
class EffectsResult(TableResult):
    """The effects of a factorial study. A frame has a row for each effect.

    Attributes:
        effects: the whole result, with its factors, its test and its notes.
    """

    effects: Effects

    @property
    def rows(self) -> tuple[Effect, ...]:
        """The main effects, then the interactions: pairs, the size, the verdict."""
        return self.effects.effects

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is shown, how to read it, and how it was decided."""
        return tuple(describe_effects(self.effects))

    def chart(self) -> "Chart":
        """Return a chart of Altair's: all effects, and the means of every two fields."""
        from dropexp.report.charts.interactions import build_effect_figures

        return _compose(build_effect_figures(self.effects))

    def _format_lines(self, width: int) -> Sequence[Text]:
        return format_effects(self.effects, width)

    def _tabulate(self) -> Sequence[Mapping[str, Any]]:
        return tabulate_effects(self.effects)

    def _repr_html_(self) -> str:
        columns = list_effect_columns(self.effects, Notation.DOCUMENT)
        return render_table(columns, self.rows, self.sentences, self.effects.notes)


@dataclass(frozen=True, repr=False, eq=False)
class LearningCurvesResult(TableResult):
    """Results against training-set size. A frame has a row for each setting at each size.

    Attributes:
        curves: the whole result, with its comparison and its notes.
    """

    curves: LearningCurves

    @property
    def rows(self) -> tuple[LearningCurve, ...]:
        """One curve for each setting: its points, its power law, its worth at each size."""
        return self.curves.curves

    @property
    def answer(self) -> str:
        """How many more images each regulariser is worth, in a sentence for each."""
        return " ".join(answer_all(self.curves))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is shown, and the fitted laws."""
        return (describe_curves(self.curves), *describe_laws(self.curves))

    def chart(self) -> "Chart":
        """Return a chart of Altair's: means with intervals, the laws and their bands."""
        from dropexp.report.charts.learning_curves import build_learning_figures

        return _compose(build_learning_figures(self.curves))

    def _format_lines(self, width: int) -> Sequence[Text]:
        return format_learning_curves(self.curves, width)

    def _tabulate(self) -> Sequence[Mapping[str, Any]]:
        return tabulate_curves(self.curves)

    def _repr_html_(self) -> str:
        curves = self.curves
        columns = list_curve_columns(curves, Notation.DOCUMENT)
        sentences = (*answer_all(curves), *self.sentences)
        notes = (*curves.notes, *curves.comparison.left_out)
        return render_table(columns, list_lines(curves), sentences, notes)


@dataclass(frozen=True, repr=False, eq=False)
class EarlyStoppingResult(TableResult):
    """What early stopping alone explains. A frame has a row for each setting with a baseline.

    Attributes:
        shares: the whole result, with the comparisons that it rests on.
    """

    shares: StoppingShares

    @property
    def rows(self) -> tuple[StoppingRow, ...]:
        """One row for each setting: its gain, early stopping alone, its share."""
        return self.shares.rows

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is compared, how to read it, how it was decided, and what limits the answer."""
        return (*describe_shares(self.shares), *describe_limits(self.shares))

    def _format_lines(self, width: int) -> Sequence[Text]:
        return format_shares(self.shares, width)

    def _tabulate(self) -> Sequence[Mapping[str, Any]]:
        return tabulate_shares(self.shares)

    def _repr_html_(self) -> str:
        columns = list_share_columns(self.shares, Notation.DOCUMENT)
        sentences, limits = describe_shares(self.shares), describe_limits(self.shares)
        return render_table(columns, self.rows, sentences, limits)


@dataclass(frozen=True, repr=False, eq=False)
class ForgettingResult(TableResult):
    """Which training images were forgotten. A frame has a row for each image of each run.

    Attributes:
        forgetting: the settings with their tracked runs, and the comparison of how often they
            forget.
    """

    forgetting: Forgetting
    _command: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """One row for each setting: how often right labels were forgotten, and the verdict."""
        return self.forgetting.comparison.rows

    @property
    def sentences(self) -> tuple[str, ...]:
        """What was tested, how it was corrected, and which runs have no record."""
        return (*self.forgetting.comparison.sentences, *self.forgetting.untracked)

    def most_forgotten(self, setting: str, top: int = 24) -> list[ForgottenImage]:
        """Return the images that a setting forgot most, by their mean rank over its runs.

        Args:
            setting: its name in the table.
            top: how many images at most.

        Raises:
            UserError: no tracked setting has this name.
        """
        return find_most_forgotten(self._find(setting), top)

    def chart(self) -> "Chart":
        """Return a chart of Altair's: how often right and wrong labels were forgotten."""
        from dropexp.report.charts.forgetting import build_forgetting_figures

        return _compose(build_forgetting_figures(count_shares(self.forgetting.settings)))

    def page(
        self, path: str | PathLike[str] = "forgotten.html", *, top: int = 24, trust: bool = False
    ) -> Path:
        """Write the page of the most forgotten images and return its path.

        Args:
            path: of the page, with the suffix ``.html``.
            top: images of each setting, in [1, 500].
            trust: use the code and the folders that the recorded files name.

        Raises:
            UserError: the number or the suffix is not allowed, or the file cannot be written.
            UntrustedError: a recorded file names code or a folder that was not used here.
            DataError: the data set is missing, or is not the one that a run was trained on.
        """
        from dropexp.cli.forgetting import write_page

        place = Path(path)
        command = ["forgetting", *self._command, "--page", str(place), "--top", str(top)]
        write_page(self.forgetting.settings, place, top, command, trust=trust)
        return place

    def _find(self, setting: str) -> TrackedSetting:
        for tracked in self.forgetting.settings:
            if tracked.name == setting:
                return tracked
        known = [tracked.name for tracked in self.forgetting.settings]
        # A number of images, given for the name, is no name either.
        hint = suggest(str(setting), known)
        raise UserError(f"no tracked setting has the name {setting!r}. {hint}")

    def _format_lines(self, width: int) -> Sequence[Text]:
        return format_comparison(self.forgetting.comparison, width, FORGETTING_COLUMNS)

    def _tabulate(self) -> Sequence[Mapping[str, Any]]:
        return list_images(self.forgetting.settings)

    def _repr_html_(self) -> str:
        forgetting = self.forgetting
        return render_comparison(forgetting.comparison, FORGETTING_COLUMNS, forgetting.untracked)


def _compose(figures: "Sequence[Figure]") -> "Chart":
    from dropexp.report.charts.standalone import compose_chart

    return compose_chart(figures)
