"""No character that controls a terminal or a spreadsheet gets through."""

import csv
import io
import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.terminal.plain_text import escape_in_json, make_csv_text, make_printable

ATTACKS = {
    "\x1b[2J": r"\x1b[2J",  # clear the screen
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x9b31m": r"\x9b31m",  # the same as ESC [, in one character
    "100 %\r0 %": r"100 %\x0d0 %",
    "a\u202eb": r"a\u202eb",  # right to left
    "a\u2066b\u2069": r"a\u2066b\u2069",
    "\ud800": r"\ud800",
    "\x7f\x08\x00": r"\x7f\x08\x00",
    "line\u2028line": r"line\u2028line",
}
texts = st.text(st.characters())


@pytest.mark.parametrize(("text", "expected"), ATTACKS.items())
def test_control_characters_become_escapes(text: str, expected: str) -> None:
    assert make_printable(text) == make_printable(text, keep_lines=True) == expected


@given(texts)
def test_nothing_but_letters_signs_and_spaces_is_left(text: str) -> None:
    printable = make_printable(text)
    categories = {unicodedata.category(character) for character in printable}
    assert not categories & {"Cc", "Cs", "Zl", "Zp"}
    assert {unicodedata.bidirectional(c) for c in printable}.isdisjoint(
        {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    )
    assert make_printable(printable) == printable
    printable.encode()  # no lone surrogate is left


@given(texts)
def test_a_text_of_ordinary_characters_is_kept(text: str) -> None:
    plain = "".join(c for c in text if unicodedata.category(c)[0] not in "CZ") + " é 漢 −"
    assert make_printable(plain) is plain


@given(st.lists(st.text(st.characters())))
def test_json_keeps_its_values(values: list[str]) -> None:
    text = escape_in_json(json.dumps(values, ensure_ascii=False, indent=1))
    assert json.loads(text) == values
    assert make_printable(text, keep_lines=True) == text


@pytest.mark.parametrize(
    "text", ["=1+1", "@x", "+cmd|' /C calc'!A0", "-2+3", "\t=1", "\r=1", "＝1"]
)
def test_a_formula_becomes_a_text(text: str) -> None:
    assert make_csv_text(text).startswith("'")


@pytest.mark.parametrize("text", ["-0.3", "+1e-5", "none", "p=0.3", "-.5", "1-2", "", "−0.3"])
def test_numbers_and_other_texts_stay_as_they_are(text: str) -> None:
    assert make_csv_text(text) == text


@given(texts)
def test_a_cell_survives_csv_and_begins_with_no_formula(text: str) -> None:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerow([make_csv_text(text), "end"])
    [[cell, end]] = csv.reader(io.StringIO(file.getvalue()))
    assert (cell, end) == (make_csv_text(text), "end")
    assert cell[:1] not in {"=", "@", "\t", "\r"}
