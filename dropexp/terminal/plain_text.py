"""Text from files and from the command line, made safe to print."""

import json
import math
import re
from typing import Any

_CONTROL = r"\x00-\x1f\x7f-\x9f"  # ESC, OSC and all others of C0 and C1
_BIDI = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # reorder what stands around them
_LINES = r"\u2028\u2029"  # line ends for some programs
_SURROGATES = r"\ud800-\udfff"  # of file names that are not UTF-8; no encoding has them
_UNPRINTABLE = f"[{_CONTROL}{_BIDI}{_LINES}{_SURROGATES}]"
_IN_A_LINE = re.compile(_UNPRINTABLE)
_IN_A_TEXT = re.compile(rf"(?![\n\t]){_UNPRINTABLE}")


def make_printable(text: str, *, keep_lines: bool = False) -> str:
    r"""Return the text with escapes such as ``\x1b`` for the characters that control a terminal.

    These are the C0 and C1 control characters, the marks that change the direction of writing,
    line separators and lone surrogates. A text without them is returned as it is.

    Args:
        text: any text.
        keep_lines: whether it may have line ends and tabs.
    """
    in_lines = text.replace("\n", "").replace("\t", "") if keep_lines else text
    if in_lines.isprintable():
        return text  # as most are: in a tenth of the time
    return (_IN_A_TEXT if keep_lines else _IN_A_LINE).sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


_JSON_UNPRINTABLE = re.compile(_UNPRINTABLE.replace(_CONTROL, r"\x7f-\x9f"))


def escape_in_json(text: str) -> str:
    r"""Return a JSON text with ``\u009b`` for the characters that json.dumps leaves as they are.

    Its strings keep their values.
    """
    return _JSON_UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def make_csv_text(text: str) -> str:
    """Return the text of a CSV cell, which no spreadsheet program takes for a formula.

    A text that begins with one of ``= + - @`` gets an apostrophe before it, as OWASP advises;
    numbers stay as they are.
    """
    is_formula = _FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return make_printable(f"'{text}" if is_formula else text)


def make_csv_cell(value: Any) -> Any:
    """Return a plain value as csv.writer takes it; see make_csv_text.

    None and numbers that are not finite become empty cells, true, false and lists become JSON.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool | list):
        value = json.dumps(value)
    return make_csv_text(value) if isinstance(value, str) else value
