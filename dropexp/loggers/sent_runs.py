"""What a tracker has of a run, in a file of the run folder, so that nothing is sent twice."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from dropexp.config.parsing import check_types, get_mapping, parse_json
from dropexp.errors import StoreError
from dropexp.runs.files import LOGGER_FILES
from dropexp.runs.write import RunFolder


@dataclass(frozen=True, slots=True)
class SentRun:
    """What a tracker has of a run.

    Attributes:
        external_id: the tracker's id of the run.
        started_at: the start of the first epoch, in seconds since 1970.
        epochs: how many have been sent.
        is_finished: whether the final results have been sent too.
    """

    external_id: str
    started_at: float
    epochs: int = 0
    is_finished: bool = False


_TYPES: Mapping[str, tuple[type, ...]] = {
    "external_id": (str,),
    "started_at": (int, float),
    "epochs": (int,),
    "is_finished": (bool,),
}


def read_sent_runs(folder: RunFolder, logger: str) -> dict[str, SentRun]:
    """Return what the trackers of a logger have of a run by destination; empty if not known.

    A destination is only compared with that of the user's: nothing is sent to one of the file's.
    """
    try:
        plain = get_mapping(parse_json(folder.read_bytes(LOGGER_FILES[logger])))
        return {destination: _read(entry) for destination, entry in plain.items()}
    except (FileNotFoundError, StoreError, ValueError):
        return {}


def write_sent_run(folder: RunFolder, logger: str, destination: str, sent: SentRun) -> None:
    """Write what a tracker has of a run.

    Raises:
        StoreError: the folder cannot be written.
    """
    plain = {name: asdict(each) for name, each in read_sent_runs(folder, logger).items()}
    content = {**plain, destination: asdict(sent)}
    folder.write_json(LOGGER_FILES[logger], content, is_promised=False)


def _read(entry: Any) -> SentRun:
    values = get_mapping(entry)
    check_types(values, _TYPES)
    return SentRun(**{key: values[key] for key in _TYPES})
