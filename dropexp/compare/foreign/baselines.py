"""Which setting of a file each setting is compared with."""

from shlex import split
from typing import Any

from dropexp.compare.foreign.columns import make_value
from dropexp.compare.foreign.shape import ForeignResults, abbreviate_name
from dropexp.errors import UserError, suggest, suggest_close
from dropexp.terminal.numbers import list_few
from dropexp.terminal.plain_text import make_printable

_USUAL = ("none", "baseline", "control", "plain", "vanilla")
_MOST_NAMED = 12

Fields = tuple[tuple[str, Any], ...]


def find_baselines(results: ForeignResults, request: str | None) -> tuple[dict[str, str], str]:
    """Return the name of each setting → that of its baseline, and what the baseline is.

    Args:
        results: of the file.
        request: the value of ``--baseline``: the name of a setting, or columns with values,
            ``method=none``, which choose for each setting the one that is equal in the other
            columns. None looks for a setting that is called none or baseline.

    Raises:
        UserError: no setting is chosen, or two for one setting.
    """
    names = list(results.settings)
    if request is None:
        request = _guess(names)
    if request not in results.settings and abbreviate_name(request) in results.settings:
        request = abbreviate_name(request)  # the whole name, as the file has it
    if request in results.settings:
        return {name: request for name in names if name != request}, request
    try:
        words = split(request)
    except ValueError:  # a quote without its other half
        words = []
    if not words or not all("=" in word for word in words):
        raise UserError(
            make_printable(
                f"--baseline {request!r:.80} names no setting of {results.source}. "
                f"{_suggest(request, names)}"
            )
        )
    wanted = {key: make_value(value) for key, _, value in (word.partition("=") for word in words)}
    return _match(results, wanted), f"{request} with everything else equal"


def _guess(names: list[str]) -> str:
    found = [name for name in names if name.lower() in _USUAL]
    if len(found) == 1:
        return found[0]
    raise UserError(
        make_printable(
            f"--baseline is missing: it names the setting to compare with. {_list(names)}"
        )
    )


def _match(results: ForeignResults, wanted: dict[str, Any]) -> dict[str, str]:
    fields = results.settings
    columns = {column for each in fields.values() for column in each}
    for column in wanted:
        if column not in columns:
            raise UserError(
                make_printable(
                    f"--baseline names the column {column!r:.80}, which --setting does not. "
                    f"{suggest(column, columns)}"
                )
            )

    def key(name: str) -> Fields:
        return tuple((k, v) for k, v in fields[name].items() if k not in wanted)

    chosen = [n for n in fields if all(fields[n].get(k) == v for k, v in wanted.items())]
    if not chosen:
        shown = " ".join(f"{k}={v}" for k, v in wanted.items())
        raise UserError(make_printable(f"--baseline {shown}: no setting has these values."))
    by_key: dict[Fields, str] = {}
    for name in chosen:
        first = by_key.setdefault(key(name), name)
        if first != name:
            raise UserError(
                make_printable(f"--baseline chooses both {first} and {name}; name one of them.")
            )
    return {n: by_key[key(n)] for n in fields if n not in chosen and key(n) in by_key}


def _suggest(name: str, names: list[str]) -> str:
    return suggest_close(name, names) or _list(names)


def _list(names: list[str]) -> str:
    return f"Settings: {list_few(names, _MOST_NAMED)}."
