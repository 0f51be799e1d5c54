"""What may be in the file of a study; see dropexp.runs.parsing. Imports no torch."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from dropexp.config.parsing import (
    LARGEST_NUMBER,
    DamagedError,
    check_plain,
    check_types,
    get_items,
    get_mapping,
)
from dropexp.runs.parsing import check_count


def check_study(plain: Any, name: str) -> dict[str, Any]:
    """Return the values of a study's file.

    Args:
        plain: the content.
        name: of the file without its suffix, which the study must have too.

    Raises:
        DamagedError: says what is wrong.
    """
    study = get_mapping(plain)
    if study.get("name") != name:
        raise DamagedError(f"it is the file of the study {study.get('name')!r:.80}")
    for overrides in get_items(study, "sweeps", list):
        get_items({"a sweep": overrides}, "a sweep", str)
    settings = get_items(study, "settings", dict)
    for fields in settings:
        check_plain(fields)
        check_types(fields, {"regulariser.name": (str,), "regulariser.p": (int, float)})
    members = get_items(study, "members", dict)
    if not _are_ordinary(members, len(settings)):
        for member in members:
            _check_member(member, len(settings))
    get_mapping(study.get("question", {}), "question")
    files = get_mapping(study.get("files", {}), "files")
    get_items({"a file": [*files, *files.values()]}, "a file", str)
    return study


_MEMBER = ("run_id", "setting", "seed", "epochs")


def _are_ordinary(members: Sequence[Mapping[str, Any]], settings: int) -> bool:
    """Return whether _check_member has nothing to say: of many members in a third of the time."""
    if not members:
        return True
    if not {len(_MEMBER)}.issuperset(map(len, members)):
        return False
    try:
        columns = [[member[key] for member in members] for key in _MEMBER]
    except KeyError:
        return False
    run_ids, *counts = columns
    if not {str}.issuperset(map(type, run_ids)) or "/" in "".join(run_ids):
        return False
    is_whole = {int}.issuperset(map(type, chain(*counts)))
    is_small = is_whole and min(map(min, counts)) >= 0 and max(map(max, counts)) <= LARGEST_NUMBER
    return is_small and max(counts[0]) < settings


def _check_member(member: Mapping[str, Any], settings: int) -> None:
    """Check a run of a study.

    Raises:
        DamagedError: says what is wrong.
    """
    if type(member.get("run_id")) is not str or "/" in member["run_id"]:
        raise DamagedError("a run has no id")
    for key in _MEMBER[1:]:
        count = member.get(key)
        if type(count) is not int or not 0 <= count <= LARGEST_NUMBER:
            check_count(f"{key} of {member['run_id']:.80}", count)
    if member["setting"] >= settings:
        raise DamagedError(f"{member['run_id']:.80} has no setting")
    if unknown := member.keys() - set(_MEMBER):
        raise DamagedError(f"{member['run_id']:.80} has the unknown field {min(unknown):.40}")
