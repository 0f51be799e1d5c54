"""A report as Markdown, for a pull request or a paper's appendix."""

from dropexp.compare.columns import make_detail_table, make_main_table
from dropexp.compare.effects import Effects
from dropexp.compare.effects.output import format_effects_markdown
from dropexp.compare.learning import LearningCurves
from dropexp.compare.learning.output import format_learning_markdown
from dropexp.compare.markdown import escape_markdown, format_markdown_list, format_markdown_table
from dropexp.compare.notes import describe_open_rows, describe_problems, describe_times
from dropexp.compare.provenance import Provenance
from dropexp.compare.results import Comparison
from dropexp.report.answer import answer
from dropexp.report.phrases import describe_data
from dropexp.report.wording import describe_method

_EFFECTS, _CURVES = "Effects and interactions", "Learning curves"


def render_markdown(
    comparison: Comparison,
    provenance: Provenance,
    learning: LearningCurves | None = None,
    effects: Effects | None = None,
) -> str:
    """Return the report as Markdown: answer, tables, failed and missing runs, commands.

    Args:
        comparison: to report on.
        provenance: how to reproduce it.
        learning: the learning curves of the comparison; None where it has none.
        effects: of a factorial study; None of another one.
    """
    first, *more = answer(comparison)
    problems = format_markdown_list(note.text for note in describe_problems(comparison))
    parts = [
        f"## {escape_markdown(comparison.source or describe_data(comparison.shared))}",
        f"**{escape_markdown(first)}**",
        *map(escape_markdown, more),
        format_markdown_table(make_main_table(comparison)),
        *(f"*{escape_markdown(sentence)}*" for sentence in describe_method(comparison)),
        *(escape_markdown(note.text) for note in describe_open_rows(comparison)),
        "### All measurements",
        format_markdown_table(make_detail_table(comparison), all_intervals=True),
        *(escape_markdown(note.text) for note in describe_times(comparison)),
        *([] if effects is None else _write_section(_EFFECTS, format_effects_markdown(effects))),
        *([] if learning is None else _write_section(_CURVES, format_learning_markdown(learning))),
        "### Failed and missing runs",
        problems or "None.",
        "### Reproduce",
        "```\n" + "\n".join(provenance.commands) + "\n```",
        format_markdown_list(f"{name}: {version}" for name, version in provenance.versions.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _write_section(heading: str, text: str) -> list[str]:
    return [f"### {heading}", text.rstrip()]
