"""What may be in the files of a runs folder: their largest sizes, and the types of their values.

See dropexp.config.parsing for how they are read. Imports no torch.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from dropexp.config.parsing import (
    LARGEST_NUMBER,
    DamagedError,
    check_plain,
    check_types,
    get_items,
    get_mapping,
)
from dropexp.runs.files import (
    AUDIT,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    ERROR,
    EXAMPLES,
    LOGGER_FILES,
    METRICS,
    SUMMARY,
    WEIGHTS,
)

_MIB = 1 << 20

FINE_TUNING = ("weights", "trained")
"""Blocks of environment.json on what a network got from a file, and what of it trains."""

MOST_BYTES = {
    **dict.fromkeys((CONFIG, SUMMARY, ENVIRONMENT, *LOGGER_FILES.values()), _MIB),
    ERROR: 16 * _MIB,
    AUDIT: 16 * _MIB,
    METRICS: 512 * _MIB,  # two million epochs
    EXAMPLES: 1024 * _MIB,  # 1,000 epochs of 8 million images
    CHECKPOINT: 1 << 36,  # these two also by the size of the network, see limit_weights
    WEIGHTS: 1 << 36,
}
"""File of a run folder → the most bytes that are read of it."""

MOST_BYTES_OF_LEDGER = 1024 * _MIB

_MOST_BYTES_BESIDE_PARAMETERS = 256 * _MIB  # names, and buffers such as a network's statistics
_MOST_BYTES_OF_PARAMETER = 16


def limit_weights(parameters: int) -> int:
    """Return the most bytes that the weights of a network of so many parameters may have.

    A sparse file of terabytes takes no space on a disk, and would be read for hours.
    """
    needed = _MOST_BYTES_BESIDE_PARAMETERS + _MOST_BYTES_OF_PARAMETER * parameters
    return min(MOST_BYTES[WEIGHTS], needed)


_LONGEST_TEXT = 1000  # characters
_MOST_DIGITS = 19  # of LARGEST_NUMBER
_LARGEST_FLOAT = 1e300  # the sum of a hundred million such numbers is finite
_NUMBERS = frozenset((int, float, type(None)))
_BLOCKS = ("best", "last", "mc_dropout", "forgetting", "variance_shifts")
_COUNTS_OF_BLOCKS = {"best": "epoch", "last": "epoch", "mc_dropout": "passes"}
_COUNTS = ("seed", "parameters", "results_version", "format")
_TEXTS = ("run_id", "status", "regulariser", "audit", "config_hash")
_MEASURED = ("p", "seconds", "peak_memory_mb", "rise", "area")
_MAY_BE_NULL = ("peak_memory_mb", "rise", "area")


def check_summary(plain: Any) -> Mapping[str, Any]:
    """Return the values of a summary.json whose numbers and texts are of the right types.

    Raises:
        DamagedError: names a field that is not.
        KeyError: one is missing.
    """
    summary = get_mapping(plain)
    if _is_ordinary(summary):
        return summary
    for key in _COUNTS:
        check_count(key, summary[key])
    for key in _TEXTS:
        if type(summary[key]) is not str or len(summary[key]) > _LONGEST_TEXT:
            raise DamagedError(f"{key} is not a short text")
    measured = {key: summary.get(key) for key in _MEASURED}
    _check_numbers("", measured)
    for key in _MEASURED:
        if measured[key] is None and key not in _MAY_BE_NULL:
            raise DamagedError(f"{key} is not a number")
    for key in _BLOCKS:
        if (block := summary.get(key)) is not None:
            _check_numbers(f"{key}.", get_mapping(block, key))
            if (name := _COUNTS_OF_BLOCKS.get(key)) is not None:
                check_count(f"{key}.{name}", block[name], at_least=1)
    if "files" in summary:
        files = get_mapping(summary["files"], "files")
        check_types(files, dict.fromkeys(files, (str,)))
    return summary


def _is_ordinary(summary: Mapping[str, Any]) -> bool:
    """Return whether it is a summary as dropexp writes it; faster than saying what is not.

    Where it is not, check_summary looks at each value.
    """
    measured = [value for key in _MEASURED if (value := summary.get(key)) is not None]
    if len(measured) < len(_MEASURED):
        return False
    for block in (summary.get("best"), summary["last"], summary.get("mc_dropout")):
        if block is None:
            continue
        if type(block) is not dict or next(iter(block), "") not in ("epoch", "passes"):
            return False
        first, *others = block.values()
        if type(first) is not int or not 0 < first < LARGEST_NUMBER:
            return False
        measured += others
    for block in (summary.get("forgetting"), summary.get("variance_shifts")):
        if type(block) not in (dict, type(None)):
            return False
        measured += (block or {}).values()
    counts = [summary[key] for key in _COUNTS]
    texts = [summary[key] for key in _TEXTS]
    return (
        _IS_FLOAT.issuperset(map(type, measured))
        and isfinite(sum(filter(None, measured)))
        and _IS_INT.issuperset(map(type, counts))
        and min(counts) >= 0
        and max(counts) < LARGEST_NUMBER
        and _IS_TEXT.issuperset(map(type, texts))
        and max(map(len, texts)) <= _LONGEST_TEXT
        and type(files := summary.get("files", {})) is dict
        and _IS_TEXT.issuperset(map(type, files.values()))
    )


_IS_INT, _IS_TEXT = frozenset((int,)), frozenset((str,))
_IS_FLOAT = frozenset((float, type(None)))


def check_config(flat: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of a config.yaml, by dotted keys, whose main fields have their types.

    Raises:
        DamagedError: names a field that has not.
    """
    kinds = tuple(map(type, map(flat.get, _FIELDS)))
    if kinds in _ORDINARY_FIELDS and min(flat["seed"], flat["train.epochs"]) >= 0:
        return flat
    for key in ("data.name", "model.name", "regulariser.name"):
        if type(flat.get(key)) is not str:
            raise DamagedError(f"{key} is not a text")
    for key in ("seed", "train.epochs"):
        check_count(key, flat.get(key))
    for key in ("study", "device"):
        if type(flat.get(key)) not in (str, type(None)):
            raise DamagedError(f"{key} is not a text")
    for key in ("p", "regulariser.p", "threads"):
        if type(flat.get(key)) not in _NUMBERS:
            raise DamagedError(f"{key} is not a number")
    return flat


_FIELDS = (
    *("data.name", "model.name", "regulariser.name", "seed", "train.epochs"),
    *("study", "p", "regulariser.p", "threads", "device"),
)
_ORDINARY_FIELDS = frozenset(
    (str, str, str, int, int, study, float, float, threads, str)
    for study in (str, type(None))
    for threads in (int, type(None))
)


def check_audit(plain: Any) -> dict[str, Any]:
    """Return the values of an audit.json whose checks can be shown.

    Raises:
        DamagedError: says what is wrong.
    """
    check_plain(plain)
    report = dict(get_mapping(plain))
    checks = report.get("checks")
    if not isinstance(checks, list):
        raise DamagedError("checks is not a list")
    for check in checks:
        get_mapping(check, "a check")
        for key in ("name", "meaning"):
            if type(check.get(key)) is not str:
                raise DamagedError(f"{key} of a check is not a text")
        if type(check.get("usual_cause", "")) is not str:
            raise DamagedError("usual_cause of a check is not a text")
        for key in ("value", "bound"):
            if type(check.get(key)) not in _NUMBERS:
                raise DamagedError(f"{key} of a check is not a number")
        if type(check.get("passed")) is not bool or type(check.get("relation", "")) is not str:
            raise DamagedError("passed or relation of a check is of another type")
    return report


def check_search(plain: Any, name: str) -> dict[str, Any]:
    """Return the values of a search's file.

    Args:
        plain: the content.
        name: of the study that the file belongs to.

    Raises:
        DamagedError: says what is wrong.
    """
    check_plain(plain, has_nan=True)
    search = get_mapping(plain)
    if search.get("study") != name:
        raise DamagedError(f"it is the file of the search {search.get('study')!r:.80}")
    get_items(search, "overrides", str)
    check_types(search, _SEARCH)
    for key in ("first_seed", "runs", "batches"):
        check_count(key, search[key] or 0)  # batches may be null
    _check_between("seconds", search["seconds"], 0.0)
    for tried in get_items(search, "tried", dict):
        _check_choice(tried, {"differences": (dict,), "is_complete": (bool,)})
        for seed, difference in tried["differences"].items():
            if not seed.isdecimal() or len(seed) > _MOST_DIGITS:
                raise DamagedError(f"{seed!r:.40} is not a seed")
            _check_between(f"the difference of seed {seed}", difference, is_optional=True)
    for confirmed in get_items(search, "confirmed", dict):
        _check_choice(confirmed, {"verdict": (str,), "p_value": _NUMBER})
        for pair in get_items(confirmed, "pairs", dict):
            check_types(pair, {"seed": (int,), **dict.fromkeys(_PAIR, _NUMBER)})
            check_count("seed", pair["seed"])
    return search


def _check_choice(setting: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> None:
    """Check a setting of a search: what it chose, and the types of what else is known of it."""
    check_types(setting, {**_CHOICE, **types})
    check_types(setting["values"], dict.fromkeys(setting["values"], (str,)))


_NUMBER: tuple[type, ...] = (int, float)
_PAIR = ("difference", "mean", "low", "high")
_CHOICE = {"name": (str,), "regulariser": (str,), "values": (dict,)}
_SEARCH = {
    "first_seed": (int,),
    "budget": (str,),
    "confirm": (str,),
    "seconds": _NUMBER,
    "batches": (int, type(None)),
    "runs": (int,),
}


def check_environment(plain: Any) -> dict[str, Any]:
    """Return the values of an environment.json, those that dropexp reads of the right types.

    Raises:
        DamagedError: says what is wrong.
    """
    check_plain(plain)
    environment = get_mapping(plain)
    check_types({**dict.fromkeys(_ENVIRONMENT), **environment}, _ENVIRONMENT)
    packages = environment.get("packages") or {}
    check_types(packages, dict.fromkeys(packages, (str, type(None))))
    for key in FINE_TUNING:
        block = environment.get(key) or {}
        check_types(block, {name: _FINE_TUNING[name] for name in block if name in _FINE_TUNING})
    return environment


_TEXT_OR_NONE: tuple[type, ...] = (str, type(None))
_ENVIRONMENT: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("dropexp", "python", "platform", "device", "device_name"), _TEXT_OR_NONE),
    "git_commit": _TEXT_OR_NONE,
    "processor": _TEXT_OR_NONE,
    "packages": (dict, type(None)),
    "threads": (int, type(None)),
    **dict.fromkeys(FINE_TUNING, (dict, type(None))),
}
_FINE_TUNING: Mapping[str, tuple[type, ...]] = {
    "source": (str,),
    **dict.fromkeys(("loaded", "trained", "total"), (int,)),
    **dict.fromkeys(("new", "skipped", "tensors"), (list,)),
}


def _check_numbers(prefix: str, block: Mapping[str, Any]) -> None:
    """Check that all values of a mapping are numbers or null, and not huge; fast if they are."""
    kinds = list(map(type, block.values()))
    # At most the epoch is a whole number in the files that dropexp writes.
    if _NUMBERS.issuperset(kinds) and kinds.count(int) <= 1:
        given = [value for value in block.values() if value is not None]
        if not given or (max(given) <= _LARGEST_FLOAT and min(given) >= -_LARGEST_FLOAT):
            return
    for key, value in block.items():
        if type(value) not in _NUMBERS:
            raise DamagedError(f"{prefix}{key} is not a number")
        largest = LARGEST_NUMBER if type(value) is int else _LARGEST_FLOAT
        if value is not None and not abs(value) <= largest:
            raise DamagedError(f"{prefix}{key} is not a number of a possible size")


def _check_between(
    key: str, value: Any, low: float = -_LARGEST_FLOAT, *, is_optional: bool = False
) -> None:
    if is_optional and value is None:
        return
    if type(value) not in _NUMBER or not low <= value <= _LARGEST_FLOAT:
        raise DamagedError(f"{key} is {value!r:.40}, not a number of a possible size")


def check_count(key: str, value: Any, *, at_least: int = 0) -> None:
    if type(value) is not int or not at_least <= value <= LARGEST_NUMBER:
        raise DamagedError(f"{key} is not a whole number from {at_least} to {LARGEST_NUMBER}")
