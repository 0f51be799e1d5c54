"""A comparison for notebooks and scripts: rows, a data frame, HTML, charts, a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from dropexp.api.arguments import parse_choice, parse_runs_dir, spell_options, spell_runs_dir
from dropexp.api.html import render_comparison
from dropexp.api.table_result import TableResult
from dropexp.cli.compare import read_and_compare
from dropexp.cli.question_options import ComparisonOptions
from dropexp.cli.results_files import FileOptions
from dropexp.compare.data_files import tabulate
from dropexp.compare.found_runs import FoundRuns
from dropexp.compare.results import Comparison, Row
from dropexp.compare.sorting import sort_rows
from dropexp.compare.table import format_comparison
from dropexp.errors import UserError, suggest
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.question_types import Correction, TestChoice

if TYPE_CHECKING:
    import altair as alt


@dataclass(frozen=True, repr=False)
class ComparisonResult(TableResult):
    """A comparison of settings. A notebook shows it as a table, ``print`` as the command does.

    Attributes:
        comparison: the whole comparison, with its question, its test and its notes.
    """

    comparison: Comparison
    _found: FoundRuns
    _command: tuple[str, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """One row for each setting: means, pairs, the difference, the verdict."""
        return self.comparison.rows

    @property
    def sentences(self) -> tuple[str, ...]:
        """How epochs were selected, what was tested, and how it was corrected."""
        return self.comparison.sentences

    @property
    def answer(self) -> str:
        """The answer in a few sentences, as ``dropexp report`` prints it."""
        from dropexp.report.answer import answer

        return " ".join(answer(self.comparison))

    def chart(self, name: str = "curves", x: str = "") -> "alt.LayerChart | alt.VConcatChart":
        """Return a chart of Altair's, to be shown, changed or saved.

        Args:
            name: ``curves``, ``gap``, ``differences``, ``strength``, ``axis``, ``heatmap`` or
                ``answer``.
            x: the field on the x axis of ``axis``, such as ``model.width``; empty for every field
                in which the settings differ by numbers.

        Raises:
            UserError: there is no such chart, or the comparison has nothing to draw in it.
            StoreError: the curves of a run cannot be read.
        """
        from dropexp.report.charts.choices import CHART_KINDS, build_chosen
        from dropexp.report.charts.standalone import compose_chart

        if name not in CHART_KINDS:
            raise UserError(f"there is no chart {name!r}. {suggest(name, CHART_KINDS)}")
        return compose_chart(build_chosen(self.comparison, [name], x))

    def report(self, path: str | PathLike[str] = "report.html") -> Path:
        """Write the report of ``dropexp report`` and return its path.

        Args:
            path: of the page; with the suffix ``.md`` the report is Markdown.

        Raises:
            UserError: the file cannot be written.
        """
        from dropexp.cli.output_files import parse_suffix, write_output
        from dropexp.cli.report import FORMAT_OF_SUFFIX, render_report

        place = Path(path)
        format_ = parse_suffix(place, FORMAT_OF_SUFFIX)
        assert format_ is not None, "the path is no standard output"
        command = ["report", *self._command, "-o", str(place)]
        write_output(place, render_report(self.comparison, self._found, format_, command))
        return place

    def _format_lines(self, width: int) -> Sequence[Text]:
        return format_comparison(self.comparison, width)

    def _tabulate(self) -> Sequence[Mapping[str, Any]]:
        return tabulate(self.comparison)

    def _repr_html_(self) -> str:
        return render_comparison(self.comparison)


def compare(
    *arguments: str | PathLike[str],
    metric: str | None = None,
    at: str | None = None,
    baseline: str | None = None,
    test: str | None = None,
    correction: str | None = None,
    margin: float | None = None,
    sort: str | None = None,
    reverse: bool = False,
    setting: str | Sequence[str] = (),
    seed: str | None = None,
    higher_is_better: bool | None = None,
    allow_mixed: bool = False,
    runs_dir: str | PathLike[str] = "runs",
) -> ComparisonResult:
    """Compare settings seed by seed, as ``dropexp compare`` does with options of these names.

    Args:
        arguments: folders of runs, ids of runs, and filters such as ``"study=quick"``; none: all
            runs of ``runs_dir``. Or a file of another program's results, and filters.
        metric: to test, such as ``test_acc``; None: the study's own, or ``test_loss``.
        at: the epoch of each run: ``best``, ``last`` or ``matched``.
        baseline: the name of a setting, or filters such as ``"regulariser=dropout2d p=0.3"``.
        test: ``auto``, ``planned`` or ``anytime``.
        correction: of the planned test over rows: ``max-t`` or ``holm``.
        margin: differences within ± this are practically equal; in the metric's unit, above 0.
        sort: ``effect``, ``name``, or a column; ``-`` before it reverses the order.
        reverse: whether to reverse the order.
        setting: of a file, the column or columns that say what was trained.
        seed: of a file, the column of the seeds, or a pattern of columns, ``seed_*``.
        higher_is_better: of a file, which values are better; None: by the metric's name.
        allow_mixed: whether to include runs on other images, of another version, or without a
            passed audit.
        runs_dir: the folder of runs, where the arguments name none.

    Raises:
        UserError: an option or a filter is wrong, or the runs cannot answer the question.
        StoreError: a file of the folder cannot be read.
    """
    words = [fspath(argument) for argument in arguments]
    options = ComparisonOptions(
        metric=metric,
        at=parse_choice("--at", EpochChoice, at),
        baseline=baseline,
        test=parse_choice("--test", TestChoice, test),
        correction=parse_choice("--correction", Correction, correction),
        margin=margin,
        allow_mixed=allow_mixed,
    )
    folder = parse_runs_dir(runs_dir)
    settings = [setting] if isinstance(setting, str) else list(setting)
    of_file = FileOptions(setting=settings, seed=seed, higher_is_better=higher_is_better)
    comparison, found, stated = read_and_compare(words, options, folder, of_file, with_curves=False)
    spelled = {
        "metric": metric,
        "at": at,
        "baseline": baseline,
        "test": test,
        "correction": correction,
        "margin": margin,
        "sort": sort,
        "seed": seed,
        "runs-dir": spell_runs_dir(runs_dir),
    }
    flags = [*["--reverse"] * reverse, *["--allow-mixed"] * allow_mixed]
    flags += [word for name in settings for word in ("--setting", name)]
    if higher_is_better is not None:
        flags.append("--higher-is-better" if higher_is_better else "--lower-is-better")
    command = (*words, *spell_options(spelled), *flags, *stated)
    return ComparisonResult(sort_rows(comparison, sort, reverse=reverse), found, command)
