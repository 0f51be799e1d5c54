"""The LaTeX table fits the page that it is made for."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dropexp.compare.column_choice import choose_keys
from dropexp.compare.latex import format_latex
from dropexp.compare.latex_widths import TEXT_WIDTH, estimate_width
from dropexp.compare.results import Comparison
from dropexp.errors import UserError
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate
from tests.made_up import make_comparison

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")

STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.fixture(scope="module")
def big() -> Comparison:
    """25 settings; the longest names are ``dropblock p=0.05 block_size=…`` of real studies."""
    regularisers = ("none", "dropout2d", "spatial_dropout", "gaussian_dropout")
    return make_comparison(regularisers, STRENGTHS, seeds=3, epochs=2)


def rename(comparison: Comparison, name: str) -> Comparison:
    rows = [
        replace(row, setting=replace(row.setting, name=f"{name} {index}"))
        for index, row in enumerate(comparison.rows)
    ]
    return replace(comparison, rows=tuple(rows))


def measure(text: str) -> float:
    """The estimated width of a table, pt: of the widest row of each column, and the gaps."""
    rows = [
        line.strip().removesuffix(r" \\").split(" & ")
        for line in text.splitlines()
        if line.endswith(r"\\")
    ]
    plain = [[re.sub(r"\$?\\(pm|_|%)\$?", "±", cell) for cell in row] for row in rows]
    columns = list(zip(*plain, strict=True))
    return sum(max(map(estimate_width, column)) for column in columns) + 8 * (len(columns) - 1)


def compile_latex(folder: Path, *tables: str) -> list[str]:
    """Return the lines of LaTeX's log on boxes that are too wide or too tall, and on errors."""
    body = "\n".join(tables)
    document = (
        "\\documentclass[a4paper]{article}\\usepackage{booktabs,longtable}"
        f"\\begin{{document}}\n{body}\n\\end{{document}}\n"
    )
    (folder / "paper.tex").write_text(document, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "paper.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return re.findall(r"^(?:Overfull|!|LaTeX Error|.*Float too large).*", done.stdout, re.M)


def test_by_default_the_table_is_as_wide_as_the_text_of_a_page_at_most(big: Comparison) -> None:
    text = format_latex(big)
    assert measure(text) <= TEXT_WIDTH
    heading = next(line for line in text.splitlines() if line.endswith(r"\\"))
    assert "vs baseline" in heading
    assert "verdict" in heading
    assert "p (max-t)" in heading  # the most important of the others: there is room for some


def test_a_paper_is_not_told_how_many_seeds_to_add(big: Comparison) -> None:
    assert "(+" not in format_latex(big).partition(r"\toprule")[2]


def test_long_names_are_wrapped_and_a_table_that_cannot_fit_says_so(big: Comparison) -> None:
    long = rename(big, "stochastic_depth p=0.5 model.shortcut=true data.label_noise=0.2")
    text = format_latex(long)
    assert re.search(r"\\begin\{(tabular|longtable)\}\{@\{\}p\{[\d.]+pt\}", text)
    assert "wider than" not in text
    keys = ["test_loss", "test_acc", "train_loss", "train_acc", "seconds", "verdict"]
    assert "wider than \\textwidth" in format_latex(long, choose_keys(long, keys))


@needs_latex
def test_latex_compiles_the_tables_and_none_is_too_wide_or_too_tall(
    big: Comparison, tmp_path: Path
) -> None:
    more = make_comparison(
        ("none", "dropout2d"),
        STRENGTHS,
        seeds=2,
        epochs=1,
        data_train_size=(50, 60, 70, 80, 90, 99),
    )
    odd = rename(big, r"50% of a_b & c#1 ~ {x} \ ^ $ < > − model.custom=my_package.nets:build_it")
    assert len(more.rows) > 50
    keys = choose_keys(big, ["test_loss", "difference", "verdict", "loss_gap", "better"])
    wide = format_latex(big, [*keys, "train_loss"])
    tables = [format_latex(each) for each in (big, more, odd)]
    problems = compile_latex(tmp_path, *tables, wide)
    assert len(problems) == 1, problems  # of the wide one: the check can fail
    assert problems[0].startswith("Overfull")


def test_caption_and_label_are_the_authors(big: Comparison) -> None:
    assert r"\label{tab:made-up}" in format_latex(big)
    text = format_latex(big, caption="50% of a_b", label="tab:x")
    assert r"\caption{50\% of a\_b}" in text
    assert r"\label{tab:x}" in text
    math = r"At $p = 0.3$, see~\cite{hinton2012}"
    assert rf"\caption{{{math}}}" in format_latex(big, caption=math)


def test_intervals_in_brackets_beside_plus_minus_are_explained(big: Comparison) -> None:
    sentence = r"on the log scale, because $\pm$ would reach below 0."
    assert sentence not in format_latex(big)
    wide = Estimate(0.692, 0.241, 1.991, 3)
    last = big.rows[-1]
    changed = replace(last, estimates={**last.estimates, big.metric.key: wide})
    mixed = replace(big, rows=(*big.rows[:-1], changed))
    assert sentence in format_latex(mixed).partition(r"\label")[0]
    own = format_latex(mixed, caption="My own.")
    assert "% Intervals in brackets beside ±" in own
    assert sentence not in own
    score = "The interval of P(better) is the score interval."
    keys = choose_keys(big, ["test_loss", "difference", "better"])
    assert score in format_latex(big, keys)
    assert score not in format_latex(big, keys[:-1])


def test_an_accuracy_whose_interval_is_cut_is_not_called_one_on_the_log_scale() -> None:
    plain = make_comparison(seeds=4, metric=METRIC_REGISTRY["test_acc"])
    last = plain.rows[-1]
    cut = {plain.metric.key: Estimate(0.99, 0.97, 1.0, 4)}
    mixed = replace(plain, rows=(replace(last, estimates={**last.estimates, **cut}),))
    caption = format_latex(mixed).partition(r"\label")[0]
    assert "are cut at what can be true" in caption
    assert "log scale" not in caption


@pytest.mark.parametrize("caption", [r"\textbf{a", "$x$}", "$50%$"])
def test_a_caption_that_would_break_the_document_is_refused(big: Comparison, caption: str) -> None:
    with pytest.raises(UserError, match=r"--caption .* is no LaTeX"):
        format_latex(big, caption=caption)


@pytest.mark.parametrize("label", ["", "a}b", "a%b", "a\\b"])
def test_a_label_that_would_break_the_document_is_refused(big: Comparison, label: str) -> None:
    with pytest.raises(UserError, match=r"--label .* is no label"):
        format_latex(big, label=label)
