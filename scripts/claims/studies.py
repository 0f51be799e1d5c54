"""Measure the claims that need many trained networks: 15, 16, 17 and 18.

Each study is one ``dropexp sweep``; dropexp's own comparison reads its runs. A regulariser that
was trained at several strengths is judged at the one with the lowest mean validation loss, on
test images, which took no part in that choice.
"""

import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from claims.finding import ClaimVerdict, Finding, decide_either_way, format_difference
from claims.spatial import count_added_parameters
from dropexp.compare import FoundRun, FoundRuns, Question, compare, find_runs
from dropexp.compare.results import Row
from dropexp.errors import UserError
from dropexp.runs.metric_types import EpochChoice, Metric
from dropexp.runs.metrics import METRIC_REGISTRY
from dropexp.statistics import Estimate, Verdict, paired_difference
from dropexp.sweep.grammar import compose_sweep

STUDIES: Mapping[str, Mapping[str, str]] = {
    "claims_digits": {
        "regulariser": "none,dropout2d,spatial_dropout",
        "p": "0.1,0.3,0.5,0.7",
        "seed": "range(8)",
        "data": "digits",
        "model.width": "32",
        "train.epochs": "30",
    },
    "claims_fashion": {
        "regulariser": "none,dropout2d",
        "p": "0.3,0.5",
        "seed": "range(6)",
        "data": "fashion_mnist",
        "data.train_size": "2000",
        "data.val_size": "1000",
        "model.width": "16",
        "train.epochs": "15",
        "precision": "bfloat16",
    },
    "claims_deep": {
        "regulariser": "none,stochastic_depth,dropout",
        "p": "0.1,0.4,0.7",
        "seed": "range(6)",
        "data": "digits",
        "data.train_size": "700",
        "model": "resnet",
        "model.depth": "20",
        "train.epochs": "25",
    },
}
DIGITS, FASHION, DEEP = STUDIES
SETUPS = {
    DIGITS: "400 digits, a fifth of the labels wrong; small CNN of width 32",
    FASHION: "2,000 images of Fashion-MNIST; small CNN of width 16",
    DEEP: "700 digits, a fifth of the labels wrong; ResNet-20",
}
_HOW = (
    "Each regulariser at its p of the lowest validation loss; losses in nats; paired test at the "
    "5 % level."
)


# --- training and reading -----------------------------------------------------------------------


def list_overrides(study: str) -> list[str]:
    """Return the overrides of a study's sweep."""
    return [f"study={study}", *(f"{key}={value}" for key, value in STUDIES[study].items())]


def format_command(study: str) -> str:
    """Return the study's sweep as a shell command."""
    quoted = (f"'{each}'" if "(" in each else each for each in list_overrides(study))
    return f"dropexp sweep {' '.join(quoted)}"


def train(study: str, runs_dir: Path, data_root: Path | None) -> None:
    """Run the study's sweep. Finished runs are not trained again; Ctrl-C interrupts it."""
    overrides = [*list_overrides(study), f"runs_dir={runs_dir}"]
    if data_root is not None and STUDIES[study]["data"] != "digits":
        overrides.append(f"data.root={data_root}")
    subprocess.run([sys.executable, "-m", "dropexp", "sweep", *overrides], check=False)


@dataclass(frozen=True)
class StudyRuns:
    """The finished runs of a study.

    Attributes:
        runs: the finished runs that can be compared.
        planned: how many runs the study has in all.
    """

    runs: Sequence[FoundRun]
    planned: int

    @property
    def is_complete(self) -> bool:
        """Whether all runs are finished and comparable."""
        return len(self.runs) == self.planned


def read_studies(runs_dir: Path) -> dict[str, StudyRuns]:
    """Return the finished runs of each study in a folder, matched by run id and not by study name.

    A folder that does not exist, or holds none of them, gives none.
    """
    try:
        found = find_runs([], runs_dir).in_view
    except UserError:
        found = ()
    done = {}
    for study in STUDIES:
        planned = {config.run_id for config in compose_sweep(list_overrides(study)).configs}
        done[study] = StudyRuns(
            [run for run in found if run.listed.run_id in planned], len(planned)
        )
    return done


# --- comparing ----------------------------------------------------------------------------------


def choose_p(found: Iterable[FoundRun], regulariser: str) -> float:
    """Return the p with the lowest mean validation loss at each run's best epoch."""
    runs = [run for run in found if run.compared.summary.regulariser == regulariser]
    rows = compare(FoundRuns(tuple(runs))).rows
    best = min(rows, key=lambda row: row.estimates["val_loss"].value)
    return best.setting.p


def compare_two(
    found: Sequence[FoundRun],
    regulariser: str,
    against: str,
    metric: Metric = METRIC_REGISTRY["test_loss"],
    at: EpochChoice = EpochChoice.BEST,
) -> Row:
    """Return the row that compares one regulariser with another, each at its chosen p."""
    strengths = {name: choose_p(found, name) for name in (regulariser, against)}
    chosen = [
        run
        for run in found
        if strengths.get(run.compared.summary.regulariser) == run.compared.summary.p
    ]
    baseline = f"regulariser={against}" if against != "none" else None
    rows = compare(FoundRuns(tuple(chosen)), Question(metric, at, baseline)).rows
    return next(row for row in rows if row.setting.regulariser == regulariser)


def _format_result(row: Row) -> str:
    """Format a difference: ``−0.12 [−0.20, −0.04], better in 7 of 8 pairs``."""
    shown = "no number" if row.difference is None else format_difference(row.difference)
    return f"{shown}, better in {row.pairs_better} of {len(row.pairs)} pairs"


# --- the claims ---------------------------------------------------------------------------------


def measure_parameter_efficiency(digits: Sequence[FoundRun]) -> Finding:
    """Measure claim 15."""
    row = compare_two(digits, "spatial_dropout", "dropout2d")
    plain = compare_two(digits, "spatial_dropout", "none")
    added = count_added_parameters()
    return Finding(
        15,
        f"{_format_parameters(added)}; at equal parameters, test loss of spatial_dropout "
        f"(p={row.setting.p:g}) − dropout2d: {_format_result(row)}; − none: "
        f"{_format_result(plain)}",
        judge_parameter_efficiency(added, row.verdict),
        f"Study {DIGITS} ({SETUPS[DIGITS]}). {_HOW} Holds if parameters are added, or if the "
        f"result at equal parameters is worse than dropout2d's; does not if it is better.",
    )


def _format_parameters(added: Mapping[str, int]) -> str:
    return f"parameters added: {', '.join(f'{name} {count}' for name, count in added.items())}"


def judge_parameter_efficiency(added: Mapping[str, int], compared: Verdict | None) -> ClaimVerdict:
    """Apply claim 15's rule."""
    if added["spatial_dropout"] > 0:
        return ClaimVerdict.HOLDS
    return decide_either_way(compared is Verdict.WORSE, compared is Verdict.BETTER)


def measure_against_dropout(deep: Sequence[FoundRun]) -> Finding:
    """Measure claim 16."""
    row = compare_two(deep, "stochastic_depth", "dropout")
    accuracy = compare_two(deep, "stochastic_depth", "dropout", METRIC_REGISTRY["test_acc"])
    plain = compare_two(deep, "stochastic_depth", "none")
    return Finding(
        16,
        f"test loss of stochastic_depth (p={row.setting.p:g}) − dropout "
        f"(p={choose_p(deep, 'dropout'):g}): {_format_result(row)}; test accuracy: "
        f"{_format_result(accuracy)}; loss − none: {_format_result(plain)}",
        judge_against_dropout(row.verdict),
        f"Study {DEEP} ({SETUPS[DEEP]}). {_HOW} Holds if clearly better; else it depends, as no "
        f"single study can show that something cannot be.",
    )


def judge_against_dropout(compared: Verdict | None) -> ClaimVerdict:
    """Apply claim 16's rule."""
    return ClaimVerdict.HOLDS if compared is Verdict.BETTER else ClaimVerdict.DEPENDS


def measure_tuning(deep: Sequence[FoundRun]) -> Finding:
    """Measure claim 17."""
    ranges = {name: measure_ranges(deep, name) for name in ("stochastic_depth", "dropout")}
    difference = paired_difference(ranges["stochastic_depth"], ranges["dropout"])
    means = {name: sum(values) / len(values) for name, values in ranges.items()}
    curves = "; ".join(f"{name} {_format_curve(deep, name)}" for name in ranges)
    return Finding(
        17,
        f"range of the test loss over p = {STUDIES[DEEP]['p'].replace(',', ', ')}: "
        f"stochastic_depth {means['stochastic_depth']:.3f} nats, dropout "
        f"{means['dropout']:.3f}; difference "
        f"{format_difference(difference)}",
        judge_tuning(difference),
        f"Study {DEEP} ({SETUPS[DEEP]}). Largest − smallest over p, seed by seed, with a 95 % t "
        f"interval for the difference. Stochastic depth's p is that of the last branch. Mean test "
        f"losses: {curves}. Holds if the difference is clearly above 0, does not if clearly below.",
    )


def measure_ranges(found: Iterable[FoundRun], regulariser: str) -> list[float]:
    """Return the largest − the smallest test loss over p for each seed, at the best epoch, in nats.

    NaN for a seed with a run that diverged before it had a best epoch.
    """
    by_seed: dict[int, list[float]] = {}
    for run in found:
        summary = run.compared.summary
        if summary.regulariser == regulariser:
            loss = math.nan if summary.best is None else summary.best.test_loss
            by_seed.setdefault(summary.seed, []).append(math.nan if loss is None else loss)
    return [
        math.nan if any(map(math.isnan, losses)) else max(losses) - min(losses)
        for _, losses in sorted(by_seed.items())
    ]


def _format_curve(found: Iterable[FoundRun], regulariser: str) -> str:
    runs = [run for run in found if run.compared.summary.regulariser == regulariser]
    rows = sorted(compare(FoundRuns(tuple(runs))).rows, key=lambda row: row.setting.p)
    return ", ".join(f"{row.estimates['test_loss'].value:.3f}" for row in rows)


def judge_tuning(difference: Estimate) -> ClaimVerdict:
    """Apply claim 17's rule, on stochastic depth's range − dropout's."""
    return decide_either_way(difference.low > 0, difference.high < 0)


def measure_generalisation(digits: Sequence[FoundRun], fashion: Sequence[FoundRun]) -> Finding:
    """Measure claim 18."""
    verdicts, sentences = [], []
    for name, found in (("digits", digits), ("Fashion-MNIST", fashion)):
        gap = compare_two(found, "dropout2d", "none", METRIC_REGISTRY["loss_gap"], EpochChoice.LAST)
        end = compare_two(
            found, "dropout2d", "none", METRIC_REGISTRY["test_loss"], EpochChoice.LAST
        )
        best = compare_two(found, "dropout2d", "none")
        accuracy = compare_two(found, "dropout2d", "none", METRIC_REGISTRY["test_acc"])
        verdicts += [gap.verdict, end.verdict, best.verdict]
        sentences.append(
            f"{name} (p={best.setting.p:g}): at the last epoch loss gap {_format_result(gap)}, "
            f"test loss {_format_result(end)}; at the best epoch test loss {_format_result(best)}, "
            f"test accuracy {_format_result(accuracy)}"
        )
    return Finding(
        18,
        f"dropout2d − none. {'. '.join(sentences)}",
        judge_generalisation(verdicts),
        f"Studies {DIGITS} ({SETUPS[DIGITS]}) and {FASHION} ({SETUPS[FASHION]}). {_HOW} Holds "
        f"if the gap and both test losses are clearly better on both data sets, does not if none "
        f"is; the best epoch is that of the lowest validation loss, as if training had stopped "
        f"there.",
    )


def judge_generalisation(compared: Sequence[Verdict | None]) -> ClaimVerdict:
    """Apply claim 18's rule, on the gaps' and the test losses' verdicts."""
    better = [verdict is Verdict.BETTER for verdict in compared]
    return decide_either_way(all(better), not any(better))


def measure_findings(runs_dir: Path) -> list[Finding]:
    """Measure claims 15 to 18 from the finished runs in a folder."""
    done = read_studies(runs_dir)
    claims: dict[int, tuple[Callable[..., Finding], tuple[str, ...]]] = {
        15: (measure_parameter_efficiency, (DIGITS,)),
        16: (measure_against_dropout, (DEEP,)),
        17: (measure_tuning, (DEEP,)),
        18: (measure_generalisation, (DIGITS, FASHION)),
    }
    findings = []
    for number, (measure, studies) in claims.items():
        if all(done[study].is_complete for study in studies):
            findings.append(measure(*(done[study].runs for study in studies)))
        else:
            findings.append(_describe_unfinished(number, {study: done[study] for study in studies}))
    return findings


def _describe_unfinished(claim: int, done: Mapping[str, StudyRuns]) -> Finding:
    counts = [f"{study}: {len(d.runs)} of {d.planned} runs" for study, d in done.items()]
    counted = f"{_format_parameters(count_added_parameters())}; " if claim == 15 else ""
    return Finding(
        claim,
        f"{counted}needs {', '.join(counts)} are finished",
        ClaimVerdict.NEEDS_STUDIES,
        " and ".join(f"`{format_command(study)}`" for study in done),
    )
