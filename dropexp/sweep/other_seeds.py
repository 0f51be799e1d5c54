"""Results on other seeds of the same settings: whoever has seen them can choose seeds by them.

A setting that was tried on a few seeds may be tested on fresh ones. From as many seeds as give a
verdict, somebody may have read one and try again, so that compare counts no pair on fresh seeds
alone, unless they were registered; see dropexp.compare.looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from dropexp.compare.baselines import find_baselines
from dropexp.compare.grouping import make_settings_without_runs
from dropexp.compare.looks import FEWEST_PAIRS
from dropexp.config.setting import Fields, digest_setting
from dropexp.runs.ledger import Ledger, Purpose, read_ledger
from dropexp.runs.listing import find_seed
from dropexp.runs.studies import list_study_names, read_study
from dropexp.sweep.grammar import SweepRequest
from dropexp.sweep.plan import make_study
from dropexp.terminal.numbers import format_count


@dataclass(frozen=True)
class KnownSeeds:
    """The seeds on which a setting has results in a folder of runs, but for those of searches.

    Attributes:
        own: those that the study itself asked for.
        others: those that were asked for elsewhere → the study; None outside studies.
    """

    own: frozenset[int]
    others: Mapping[int, str | None]

    def find_left_out(self, seeds: set[int]) -> list[int]:
        """Return the seeds that a test on some seeds could not leave out; empty where it may.

        Args:
            seeds: of the test.
        """
        left_out = sorted(self.others.keys() - seeds)
        is_mixed = bool(self.others.keys() & seeds)
        return left_out if is_mixed or len(left_out) >= FEWEST_PAIRS else []

    def find_study_to_extend(self) -> str | None:
        """Return the one study that has all results elsewhere; None where it is not the only one.

        Seeds of the study itself would be left out of a test in that one.
        """
        studies = set(self.others.values())
        is_alone = len(studies) == 1 and len(self.own - self.others.keys()) < FEWEST_PAIRS
        return studies.pop() if is_alone else None


def find_known_seeds(ledger: Ledger, study: str, digests: set[str]) -> dict[str, KnownSeeds]:
    """Return the seeds with results by the digest of their setting; see digest_setting.

    Args:
        ledger: of the runs folder.
        study: the one that is to be swept.
        digests: of the settings in question; a setting without results is absent.
    """
    own: dict[str, set[int]] = {}
    others: dict[str, dict[int, str | None]] = {}
    for run_id, end in ledger.ends.items():
        if end.setting not in digests:
            continue
        asked = ledger.asked(run_id)
        if asked is not None and asked.purpose is Purpose.SEARCH:
            continue
        if asked is not None and asked.study == study:
            own.setdefault(end.setting, set()).add(find_seed(run_id))
        else:
            named = None if asked is None else asked.study
            others.setdefault(end.setting, {})[find_seed(run_id)] = named
    return {
        digest: KnownSeeds(frozenset(own.get(digest, ())), others.get(digest, {}))
        for digest in own.keys() | others.keys()
    }


def find_seed_problem(request: SweepRequest, runs_dir: Path) -> str:
    """Return why compare will count no pair of a sweep, and what to type; empty where it will.

    Args:
        request: the sweep.
        runs_dir: its folder of run folders.
    """
    ledger = read_ledger(runs_dir)
    requests = [ledger.asked(run.run_id) for run in request.planned.runs]
    if all(each is not None and each.purpose is Purpose.REGISTERED for each in requests):
        return ""
    study = make_study(request)
    if study.name in list_study_names(runs_dir):
        study = read_study(runs_dir, study.name).merge(study)
    digests = [digest_setting(fields) for fields in study.settings]
    known = find_known_seeds(ledger, study.name, set(digests))
    if not any(each.others for each in known.values()):
        return ""
    rows, left_out, seen = 0, 0, None
    seeds: dict[int, set[int]] = {}
    for member in study.members:
        seeds.setdefault(member.setting, set()).add(member.seed)
    for place, baseline in _find_rows(study.settings):
        of_row, of_baseline = known.get(digests[place]), known.get(digests[baseline])
        if of_row is None or of_baseline is None:
            continue
        own = seeds.get(place, set())
        left = of_row.find_left_out(own)
        # Only what has both halves of a pair is a result that a test can leave out.
        if of_baseline.own.union(of_baseline.others).intersection(left):
            rows, left_out, seen = rows + 1, max(left_out, len(left)), of_row
    if seen is None:
        return ""
    have = "has" if rows == 1 else "have"
    earlier = seen.find_study_to_extend()
    where = f"of study {earlier}" if earlier else "in this runs folder"
    return (
        f"compare {quote(f'study={study.name}')} will count no pair: "
        f"{format_count(rows, 'row')} {have} results on {left_out} other seeds {where}, and seeds "
        f"could be tried until some give a verdict. {_propose(request, runs_dir, earlier)}"
    )


def _find_rows(settings: tuple[Fields, ...]) -> list[tuple[int, int]]:
    """Return the places of the settings that have a baseline, each with that of its baseline."""
    named = make_settings_without_runs({str(n): fields for n, fields in enumerate(settings)})
    baselines = find_baselines([(setting, []) for setting in named]).by_setting
    return [(int(name), int(baseline.name)) for name, baseline in baselines.items()]


def _propose(request: SweepRequest, runs_dir: Path, earlier: str | None) -> str:
    place = [] if _is_default(runs_dir) else [f"runs_dir={runs_dir}"]
    words = " ".join(map(quote, [*request.run_overrides, *place]))
    register = f"To test fresh seeds, register them first: dropexp study register NAME {words}"
    if earlier is None:
        return register
    return f"{register}; or add seeds to the earlier study: {propose_extension(earlier, runs_dir)}"


def propose_extension(study: str, runs_dir: Path) -> str:
    """Return the command that adds seeds to a study until it is decided."""
    place = "" if _is_default(runs_dir) else f" --runs-dir {quote(str(runs_dir))}"
    return f"dropexp extend {quote(study)} --until-decided{place}"


def _is_default(runs_dir: Path) -> bool:
    return runs_dir.resolve() == Path("runs").resolve()
