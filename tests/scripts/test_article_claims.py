"""The article's claims: every row is there, and its verdict follows from what was measured."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console

import article_claims
from claims import (
    depth,
    dropconnect,
    dropout2d,
    generalisation,
    gradients,
    implementations,
    memory,
    results,
    spatial,
    studies,
    trained,
    writing,
)
from claims.finding import CLAIMS, ClaimVerdict, Finding
from dropexp.config.compose import to_yaml
from dropexp.config.model_section import ResNetConfig
from dropexp.config.run_config import RunConfig
from dropexp.runs.files import CONFIG
from dropexp.runs.write import RunFolder
from dropexp.statistics import Estimate, Verdict
from dropexp.sweep.grammar import compose_sweep
from tests.conftest import run_dropexp
from tests.run_folders import make_record, make_summary

HOLDS, DOES_NOT, DEPENDS = ClaimVerdict.HOLDS, ClaimVerdict.DOES_NOT_HOLD, ClaimVerdict.DEPENDS
PAGE = Path(__file__).parents[2] / "docs" / "findings" / "article-claims.md"


@pytest.fixture(scope="module")
def quick() -> list[Finding]:
    """The claims without a study, those that take seconds from less than the script takes."""
    with pytest.MonkeyPatch.context() as patch:
        for subject in (dropconnect, spatial):
            patch.setattr(subject, "SEEDS", range(2))
            patch.setattr(subject, "WIDTH", 4)
        patch.setattr(dropconnect, "ROUNDS", 1)
        briefly = [replace(each, epochs=min(each.epochs, 1)) for each in dropconnect.CONDITIONS]
        patch.setattr(dropconnect, "CONDITIONS", briefly)
        patch.setattr(spatial, "EPOCHS", 1)
        patch.setattr(gradients, "LAYERS", 3)
        patch.setattr(memory, "IMAGES", (4, 3, 16, 16))
        return list(article_claims.measure_quick_findings())


@pytest.fixture(scope="module")
def findings(quick: list[Finding], tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    """All claims, without a study."""
    found = [*quick, *trained.measure_findings(tmp_path_factory.mktemp("empty"))]
    return sorted(found, key=lambda finding: finding.claim)


# --- the table ------------------------------------------------------------------------------------


def test_every_claim_has_its_row_in_order(findings: list[Finding]) -> None:
    assert [finding.claim for finding in findings] == list(CLAIMS) == list(range(1, 22))
    assert all(finding.measured and finding.evidence for finding in findings)


def test_only_claims_that_need_a_study_are_open_without_one(findings: list[Finding]) -> None:
    needing = [f.claim for f in findings if f.verdict is ClaimVerdict.NEEDS_STUDIES]
    assert needing == [15, 16, 17, 18, 21]


def test_what_torch_documents_is_what_is_found(quick: list[Finding]) -> None:
    found = {finding.claim: finding.verdict for finding in quick}
    assert (found[1], found[9]) == (HOLDS, HOLDS)
    assert {found[claim] for claim in (2, 3, 5, 6, 7, 8, 10)} == {DOES_NOT}
    assert {found[claim] for claim in (19, 20)} == {DEPENDS}


def test_only_the_functional_call_drops_in_eval_mode() -> None:
    by_function, by_modules = (
        dropout2d.measure_dropped_share(dropout2d.ArticleModel(modules=modules).eval())
        for modules in (False, True)
    )
    assert by_function > 0.3
    assert by_modules == 0


def test_numbers_come_from_random_numbers_of_their_own(quick: list[Finding]) -> None:
    torch.manual_seed(99)
    again = article_claims.measure_quick_findings()
    assert next(again) == quick[0]
    torch.manual_seed(98)
    assert next(again) == quick[1]


def test_markdown_is_a_table_of_one_row_a_claim(findings: list[Finding]) -> None:
    head, rule, *rows = writing.format_table(findings).splitlines()
    assert len(rows) == len(CLAIMS)
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in (head, rule, *rows)} == {6}
    assert all(finding.verdict in row for finding, row in zip(findings, rows, strict=True))


def test_markdown_escapes_names_but_not_code() -> None:
    finding = Finding(14, "spatial_dropout a|b", HOLDS, "`regulariser=spatial_dropout`")
    row = writing.format_table([finding]).splitlines()[-1]
    assert r"spatial\_dropout a\|b" in row
    assert "`regulariser=spatial_dropout`" in row


@pytest.mark.parametrize("width", [80, 120])
def test_rows_fit_the_terminal(findings: list[Finding], width: int) -> None:
    console = Console(file=StringIO(), width=width)
    for finding in findings:
        writing.print_finding(console, finding)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, shown.splitlines())) <= width
    assert "…" not in shown  # nothing is cut
    assert all(finding.text.split()[0] in shown for finding in findings)


def test_the_script_prints_and_writes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "claims.md"
    monkeypatch.setattr(article_claims, "QUICK", (dropout2d.measure_channels,))
    monkeypatch.setattr(sys, "argv", ["article_claims.py", "-r", str(tmp_path), "-o", str(file)])
    threads = torch.get_num_threads()
    article_claims.main()
    torch.set_num_threads(threads)
    assert "1 hold, 5 need --studies" in capsys.readouterr().out
    assert "| 1 | dropout2d zeroes whole channels" in file.read_text(encoding="utf-8")
    assert str(tmp_path) not in file.read_text(encoding="utf-8")


# --- rules ----------------------------------------------------------------------------------------


def interval(low: float, high: float) -> Estimate:
    return Estimate((low + high) / 2, low, high, 8)


BELOW, ACROSS, ABOVE = interval(-2, -1), interval(-1, 1), interval(1, 2)
BETTER, WORSE, UNCLEAR = Verdict.BETTER, Verdict.WORSE, Verdict.NO_CLEAR_DIFFERENCE
NONE_ADDED = {"spatial_dropout": 0}


def rates(*means: float) -> NDArray[np.float64]:
    """Return differences around a mean at each drop rate, of six seeds."""
    return np.array(means)[:, None] + np.linspace(-0.1, 0.1, 6)


def left(neighbourhoods: float, positions: float) -> spatial.KeptFeatures:
    return spatial.KeptFeatures(neighbourhoods, positions, [])


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (dropout2d.judge_channels([0.5], [0.5], 0, 0.01), HOLDS),
        (dropout2d.judge_channels([0.52], [0.5], 0, 0.01), DOES_NOT),
        (dropout2d.judge_channels([0.5], [0.5], 1, 0.01), DOES_NOT),
        (dropout2d.judge_scale([1.0, 1.0]), HOLDS),
        (dropout2d.judge_scale([1.0, 2.0]), DOES_NOT),
        (dropout2d.judge_ranks({3: "raises ValueError", 4: "works"}), HOLDS),
        (dropout2d.judge_ranks({3: "works but warns", 4: "works"}), DOES_NOT),
        (memory.judge_inplace((1000, 900), (500, 400)), HOLDS),
        (memory.judge_inplace((1000, 1000), (500, 400)), DEPENDS),
        (memory.judge_inplace((1000, 1000), (500, 500)), DOES_NOT),
        (dropout2d.judge_inplace(False), HOLDS),
        (dropout2d.judge_inplace(True), DOES_NOT),
        (dropout2d.judge_evaluation(0.0), HOLDS),
        (dropout2d.judge_evaluation(0.5), DOES_NOT),
        (dropout2d.judge_separate_p(2, 0.0), HOLDS),
        (dropout2d.judge_separate_p(1, 0.1), HOLDS),
        (dropout2d.judge_separate_p(1, 0.0), DOES_NOT),
        (memory.judge_module(1), HOLDS),
        (memory.judge_module(0), DOES_NOT),
        (dropout2d.judge_sameness({True: True, False: True}, {True: True, False: True}), HOLDS),
        (dropout2d.judge_sameness({True: True, False: True}, {True: True, False: False}), DEPENDS),
        (dropout2d.judge_sameness({True: False, False: False}, {True: False}), DOES_NOT),
        (implementations.judge_implementations(0.01, 50), HOLDS),
        (implementations.judge_implementations(0.01, 100), DEPENDS),
        (implementations.judge_implementations(0.5, 50), DOES_NOT),
        (dropout2d.judge_shapes(5, 5), HOLDS),
        (dropout2d.judge_shapes(4, 5), DOES_NOT),
        (dropconnect.judge_scaling(1.0, 10), HOLDS),
        (dropconnect.judge_scaling(1.0, 0), DEPENDS),
        (dropconnect.judge_scaling(0.0, 0), DOES_NOT),
        (dropconnect.judge_smoothness([BELOW, BELOW], ABOVE), HOLDS),
        (dropconnect.judge_smoothness([BELOW, ACROSS], ABOVE), DEPENDS),
        (dropconnect.judge_smoothness([BELOW, BELOW], ACROSS), DEPENDS),
        (dropconnect.judge_smoothness([ABOVE, ABOVE], BELOW), DOES_NOT),
        (dropconnect.judge_cost([2.0, 1.2]), HOLDS),
        (dropconnect.judge_cost([2.0, 1.0]), DEPENDS),
        (dropconnect.judge_cost([1.0, 1.0]), DOES_NOT),
        (spatial.judge_dropping([(0.0, 0.5)]), HOLDS),
        (spatial.judge_dropping([(0.0, 0.5), (0.5, 0.0)]), DEPENDS),
        (spatial.judge_dropping([(0.5, 0.0)]), DOES_NOT),
        (spatial.judge_local_features(left(0.5, 0.5), left(0.1, 0.1), ABOVE), HOLDS),
        (spatial.judge_local_features(left(0.1, 0.5), left(0.5, 0.1), ABOVE), DEPENDS),
        (spatial.judge_local_features(left(0.1, 0.1), left(0.5, 0.5), BELOW), DOES_NOT),
        (generalisation.judge_parameter_efficiency({"spatial_dropout": 5}, [BETTER]), HOLDS),
        (generalisation.judge_parameter_efficiency(NONE_ADDED, [WORSE, WORSE]), HOLDS),
        (generalisation.judge_parameter_efficiency(NONE_ADDED, [BETTER, WORSE]), DEPENDS),
        (generalisation.judge_parameter_efficiency(NONE_ADDED, [UNCLEAR, UNCLEAR]), DEPENDS),
        (generalisation.judge_parameter_efficiency(NONE_ADDED, [BETTER, UNCLEAR]), DOES_NOT),
        (depth.judge_against_dropout(rates(-1, 1), [UNCLEAR, UNCLEAR]), HOLDS),
        (depth.judge_against_dropout(rates(1, 1), [WORSE, BETTER]), HOLDS),
        (depth.judge_against_dropout(rates(1, 1), [WORSE, UNCLEAR]), DEPENDS),
        (depth.judge_against_dropout(rates(-1, 1)[:, :4], [UNCLEAR, None]), DEPENDS),
        (depth.judge_tuning(ABOVE), HOLDS),
        (depth.judge_tuning(ACROSS), DEPENDS),
        (depth.judge_tuning(BELOW), DEPENDS),
        (depth.judge_depth(BETTER, [BETTER, BETTER]), HOLDS),
        (depth.judge_depth(BETTER, [BETTER, WORSE]), DEPENDS),
        (depth.judge_depth(UNCLEAR, [BETTER, BETTER]), DOES_NOT),
        (generalisation.judge_generalisation([BETTER] * 6), HOLDS),
        (generalisation.judge_generalisation([BETTER, WORSE]), DEPENDS),
        (generalisation.judge_generalisation([WORSE] * 6), DOES_NOT),
    ],
)
def test_verdicts_follow_from_numbers(verdict: ClaimVerdict, expected: ClaimVerdict) -> None:
    assert verdict is expected


def test_a_checkerboard_is_rougher_than_a_slope() -> None:
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    checkerboard, slope = ((rows + columns) % 2)[None, None], rows[None, None]
    assert dropconnect.compute_roughness(checkerboard) > 3 * dropconnect.compute_roughness(slope)
    assert dropconnect.compute_roughness(3 * slope) == pytest.approx(
        dropconnect.compute_roughness(slope)
    )


def test_peak_memory_is_the_most_at_one_time() -> None:
    def action() -> None:
        for _ in range(3):  # one after the other: 4 MB at a time
            torch.empty(1_000_000)

    assert memory.measure_peak_bytes(action) == 4_000_000


def test_tensors_that_a_backward_pass_needs_count_once() -> None:
    x = torch.randn(1000, requires_grad=True)
    squared = x * 1.0  # a result that both factors below need
    assert memory.measure_held_bytes(lambda: (squared * squared).sum(), without=[]) == 4000
    assert memory.measure_held_bytes(lambda: (squared * squared).sum(), without=[squared]) == 0


# --- studies --------------------------------------------------------------------------------------

Losses = Callable[[RunConfig], tuple[float, float]]  # of validation and test, nats


def write_studies(runs_dir: Path, losses: Losses, *names: str) -> None:
    """Write the finished runs of the named studies, or of all, with the given losses."""
    for study in names or studies.STUDIES:
        for config in compose_sweep(studies.list_overrides(study)).configs:
            val, test = losses(config)
            folder = RunFolder(runs_dir, config.run_id)
            folder.path.mkdir(parents=True)
            folder.write(CONFIG, to_yaml(config))
            epoch = make_record(1, val)
            folder.write_metrics([epoch])
            made = replace(
                make_summary(epoch, epoch, test),
                run_id=config.run_id,
                regulariser=config.regulariser.name,
                p=config.regulariser.p,
                seed=config.seed,
            )
            folder.finish(made, keep_checkpoint=False)


def losses_with(effects: Mapping[str, float], slopes: Mapping[str, float]) -> Losses:
    """Return losses of 1 nat, plus the regulariser's effect, its slope × p, and 0.1 × seed."""

    def losses(config: RunConfig) -> tuple[float, float]:
        name = config.regulariser.name
        level = 1 + effects.get(name, 0) + slopes.get(name, 0) * config.regulariser.p
        own = 1e-4 * config.seed * config.regulariser.p  # differences without spread have no T
        return level + 0.1 * config.seed + own, level + 0.1 * config.seed + own

    return losses


@pytest.mark.parametrize(
    ("effects", "slopes", "expected"),
    [
        (
            {"dropout2d": -0.3, "spatial_dropout": 0.2, "stochastic_depth": -0.2},
            {"stochastic_depth": 0.2, "dropout": 0.1},
            [HOLDS, HOLDS, HOLDS, HOLDS, HOLDS],
        ),
        (
            {"dropout2d": 0.3, "spatial_dropout": -0.2, "stochastic_depth": 0.2},
            {"stochastic_depth": 0.1, "dropout": 0.5},
            [DOES_NOT, HOLDS, DEPENDS, DOES_NOT, DOES_NOT],
        ),
        (
            {"spatial_dropout": 0.2, "stochastic_depth": 0.2},
            {"stochastic_depth": 0.1, "dropout": 0.1},
            [HOLDS, DEPENDS, HOLDS, DOES_NOT, DOES_NOT],
        ),
    ],
)
def test_studies_are_read_from_run_folders(
    tmp_path: Path,
    effects: dict[str, float],
    slopes: dict[str, float],
    expected: list[ClaimVerdict],
) -> None:
    write_studies(tmp_path, losses_with(effects, slopes))
    found = trained.measure_findings(tmp_path)
    assert [finding.claim for finding in found] == [15, 16, 17, 18, 21]
    assert [finding.verdict for finding in found] == expected


def test_the_strength_is_chosen_on_validation_images(tmp_path: Path) -> None:
    def losses(config: RunConfig) -> tuple[float, float]:
        p = config.regulariser.p
        return 1 + p, 1 - p  # the test images would choose the other

    write_studies(tmp_path, losses, studies.DEEP, studies.DEEP_DROPOUT)
    found = studies.read_studies(tmp_path)
    deep = [*found[studies.DEEP].runs, *found[studies.DEEP_DROPOUT].runs]
    assert results.choose_p(deep, "stochastic_depth") == studies.BRANCH_P[0]
    row = results.compare_two(deep, "stochastic_depth", "dropout")
    assert row.setting.p == studies.BRANCH_P[0]


def test_an_unfinished_study_says_how_far_it_is(tmp_path: Path) -> None:
    write_studies(tmp_path, losses_with({}, {}), studies.DEEP)
    runs = [run.listed.folder for run in studies.read_studies(tmp_path)[studies.DEEP].runs]
    (runs[0].path / "summary.json").unlink()
    of_16 = next(f for f in trained.measure_findings(tmp_path) if f.claim == 16)
    assert of_16.verdict is ClaimVerdict.NEEDS_STUDIES
    assert f"{len(runs) - 1} of {len(runs)} runs" in of_16.measured
    assert studies.format_command(studies.DEEP) in of_16.evidence


def compute_mean_rates(study: str, strengths: Iterable[float]) -> list[float]:
    """Return stochastic depth's drop rates averaged over the branches of a study's network."""
    model = compose_sweep(studies.list_overrides(study)).configs[-1].model
    assert isinstance(model, ResNetConfig)
    branches = (model.depth - 2) // 2
    shares = [(index + 1) / branches for index in range(branches)]
    return [p * sum(shares) / branches for p in strengths]


def test_stochastic_depth_and_dropout_have_equal_mean_rates() -> None:
    means = compute_mean_rates(studies.DEEP, studies.BRANCH_P)
    assert means == pytest.approx(studies.MEAN_RATES)


def test_the_mean_rates_of_the_deeper_network_are_named() -> None:
    (mean,) = compute_mean_rates(studies.RESNET20, [0.7])
    assert f"{mean:.2f} and 0.7" in studies.SETUPS[studies.RESNET20]


def test_studies_have_enough_seeds_for_a_verdict() -> None:
    for study in studies.STUDIES:
        configs = compose_sweep(studies.list_overrides(study)).configs
        assert len({config.seed for config in configs}) >= 6


def test_studies_are_trained_by_the_real_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny = {
        "regulariser": "none", "seed": "range(1)", "data": "digits", "train.epochs": "1",
        "data.train_size": "60", "model.width": "4",
    }  # fmt: skip

    def run(command: list[str], check: bool) -> None:
        """Run the command in this process, which has imported torch."""
        assert command[:3] == [sys.executable, "-m", "dropexp"]
        assert run_dropexp(tmp_path, *command[3:]).returncode == 0

    monkeypatch.setattr(studies, "STUDIES", {"tiny": tiny})
    monkeypatch.setattr(subprocess, "run", run)
    studies.train("tiny", tmp_path, data_root=None)
    assert studies.read_studies(tmp_path)["tiny"].is_complete


def test_the_page_in_docs_names_the_studies_that_the_script_has() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for study in studies.STUDIES:
        assert studies.format_command(study) in page


def test_the_page_in_docs_has_the_limits_and_repetitions_that_the_script_has() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [text for text in (writing.LIMITS, *writing.REPEATED) if text not in page] == []
