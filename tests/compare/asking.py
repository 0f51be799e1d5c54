"""Asks for runs and ends them without training, so that a ledger has an order."""

from collections.abc import Callable, Sequence
from pathlib import Path

from dropexp.compare.results import Comparison
from dropexp.compare.rules import TestKind
from dropexp.runs.ledger import LEDGER, Purpose, read_ledger, record_end, record_request
from dropexp.runs.studies import save_study
from dropexp.statistics import Verdict
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.plan import make_study
from tests.run_folders import write_finished_run

Asking = Callable[..., list[str]]
ROW = "dropout2d p=0.3"


def make_asking(runs: Path) -> Asking:
    """Return what asks for the runs of a sweep and ends them: better by 0.3 nats in every seed."""

    def ask(
        *overrides: str,
        study: str = "first",
        purpose: Purpose = Purpose.SWEEP,
        ends: bool = True,
        leave: Sequence[str] = (),
    ) -> list[str]:
        request = compose_sweep([*overrides, f"study={study}"])
        save_study(runs, make_study(request))
        ids = [config.run_id for config in request.configs]
        record_request(runs, study, ids, purpose)
        for config in request.configs if ends else ():
            if config.run_id in leave or (runs / config.run_id).exists():
                continue
            loss = 1.0 + config.seed / 50 - (0.3 + config.seed / 90) * bool(config.regulariser.p)
            write_ended(
                runs,
                config.run_id,
                loss,
                [
                    *name_setting(config.regulariser.name, config.regulariser.p),
                    f"seed={config.seed}",
                    f"study={study}",
                ],
            )
        return ids

    return ask


def name_setting(name: str, p: float) -> list[str]:
    return [f"regulariser={name}"] + ([f"p={p}"] if p else [])


def write_ended(runs: Path, run_id: str, loss: float, overrides: list[str]) -> None:
    before = (runs / LEDGER).read_bytes()
    folder = write_finished_run(runs, loss, *overrides)
    assert folder.run_id == run_id
    setting = read_ledger(runs).setting_of(run_id)
    (runs / LEDGER).write_bytes(before)  # the helper's own ledger is another
    record_end(runs, run_id, setting)


def get_row(comparison: Comparison, name: str = ROW) -> tuple[TestKind, Verdict | None, int]:
    """Return the test, the verdict of a row and its number of pairs."""
    found = comparison.row(name)
    return comparison.test.kind, found.verdict, len(found.pairs)


SWEEP = ("regulariser=none,dropout2d", "p=0.3")
