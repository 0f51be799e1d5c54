"""Writes what a ledger holds of sweeps that were trained; nothing is trained."""

from pathlib import Path

from dropexp.config.setting import digest_setting, extract_setting
from dropexp.runs.ledger import Purpose, record_end, record_request
from dropexp.runs.studies import save_study
from dropexp.sweep.grammar import compose_sweep
from dropexp.sweep.plan import make_study

PAIR = ("regulariser=none,dropout2d", "p=0.3")


def write_trained(
    runs: Path,
    study: str,
    seeds: str,
    *words: str,
    purpose: Purpose = Purpose.SWEEP,
    with_ends: bool = True,
) -> None:
    """Record that a sweep was asked for, and that its runs have ended.

    Args:
        runs: the folder of run folders.
        study: its name.
        seeds: the value of ``seed=``.
        words: further overrides, in place of those of PAIR.
        purpose: why its runs were asked for.
        with_ends: whether its runs have ended.
    """
    request = compose_sweep([*(words or PAIR), f"seed={seeds}", f"study={study}"])
    made = make_study(request)
    save_study(runs, made)
    record_request(runs, study, [run.run_id for run in made.runs], purpose)
    for config in request.configs if with_ends else ():
        digest = digest_setting(extract_setting(config.to_mapping()))
        record_end(runs, config.run_id, digest)
