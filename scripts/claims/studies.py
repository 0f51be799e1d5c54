"""Train and read the studies of the claims that need many trained networks: 15 to 18, and 21.

Each study is one ``dropexp sweep``; dropexp's own comparison reads its runs.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dropexp.compare import FoundRun, find_runs
from dropexp.errors import UserError
from dropexp.sweep.grammar import compose_sweep

_ON_DIGITS = {"data": "digits", "model.width": "32", "train.epochs": "30"}
_DEEP = {
    "seed": "range(6)",
    "data": "digits",
    "data.train_size": "700",
    "model": "resnet",
    "model.depth": "8",
    "train.epochs": "10",
}

MEAN_RATES = (0.1, 0.2, 0.35, 0.5)
"""Drop rates averaged over the blocks of the deep network, for both of its regularisers.

Dropout has one p. Stochastic depth's p is that of the last of L branches, and branch l has
p · l/L, so its mean is p · (L + 1) / (2L): two thirds of p for the three branches of ResNet-8.
"""

BRANCH_P = (0.15, 0.3, 0.525, 0.75)
"""Stochastic depth's p at those mean rates."""

STUDIES: Mapping[str, Mapping[str, str]] = {
    "claims_digits": {
        "regulariser": "none,dropout2d,spatial_dropout,dropout",
        "p": "0.3,0.5",
        "seed": "range(8)",
        **_ON_DIGITS,
    },
    "claims_confirmation": {
        "regulariser": "none,dropout2d",
        "p": "0.3",
        "seed": "range(8,24)",
        **_ON_DIGITS,
    },
    "claims_fashion": {
        "regulariser": "none,dropout2d,spatial_dropout,dropout",
        "p": "0.5",
        "seed": "range(6)",
        "data": "fashion_mnist",
        "data.train_size": "1000",
        "data.val_size": "500",
        "model.width": "16",
        "train.epochs": "10",
        "precision": "bfloat16",
    },
    "claims_deep": {
        "regulariser": "none,stochastic_depth",
        "p": ",".join(map(str, BRANCH_P)),
        **_DEEP,
    },
    "claims_deep_dropout": {
        "regulariser": "dropout",
        "p": ",".join(map(str, MEAN_RATES)),
        **_DEEP,
    },
    # Seeds 0 to 5 had shown this case on 2026-11-21; these took no part in choosing it.
    "claims_resnet20": {
        "regulariser": "stochastic_depth,dropout",
        "p": "0.7",
        **_DEEP,
        "seed": "range(6,12)",
        "model.depth": "20",
        "train.epochs": "25",
    },
}
DIGITS, CONFIRMATION, FASHION, DEEP, DEEP_DROPOUT, RESNET20 = STUDIES
SETUPS = {
    DIGITS: "400 digits, a fifth of the labels wrong; small CNN of width 32",
    CONFIRMATION: "16 more seeds of the same, p kept",
    FASHION: "1,000 images of Fashion-MNIST, the article's p = 0.5; small CNN of width 16",
    DEEP: "700 digits, a fifth of the labels wrong; ResNet-8",
    RESNET20: "the same images; ResNet-20; mean drop rates 0.39 and 0.7",
}


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
        found = find_runs([], runs_dir).list_runs()
    except UserError:
        found = []
    done = {}
    for study in STUDIES:
        planned = {config.run_id for config in compose_sweep(list_overrides(study)).configs}
        done[study] = StudyRuns(
            [run for run in found if run.listed.run_id in planned], len(planned)
        )
    return done
