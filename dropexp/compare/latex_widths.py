r"""Estimate how wide text is in LaTeX's default font, to choose columns that fit a page.

The widths are those of Computer Modern Roman at 8 pt (``\footnotesize`` of a 10 pt document), as
LaTeX's ``\settowidth`` gives them. Kerning and ligatures make real text a little narrower.
"""

TEXT_WIDTH = 345.0
r"""``\textwidth`` of ``\documentclass[a4paper]{article}``, pt; one column of two is narrower."""

_WIDTHS = {
    2.36: "il.,;:!'`[]",
    2.6: "fj",
    2.83: "- ",
    3.06: "I_",
    3.31: "rt()",
    3.35: "s",
    3.78: "cez",
    4.01: "?",
    4.25: 'ago0123456789*/"${}–',
    4.36: "J",
    4.49: "kqvxy",
    4.72: "bdhnpuS",
    5.19: "Z",
    5.31: "L",
    5.54: "F",
    5.78: "EP",
    6.02: "B",
    6.14: "wCT",
    6.25: "R",
    6.37: "AHNUVXY",
    6.49: "D",
    6.6: "K",
    6.62: "OQ+=@&−±≥≤<>",
    6.67: "G",
    7.09: "m%#",
    7.79: "M",
}
_WIDTH_OF = {character: width for width, same in _WIDTHS.items() for character in same}
_WIDEST = 8.73  # W; for characters that are not listed


def estimate_width(text: str) -> float:
    """Return the width of text in footnotesize, pt; at least the real one."""
    return sum(_WIDTH_OF.get(character, _WIDEST) for character in text)


def count_lines(text: str, width: float) -> int:
    """Return how many lines of a width, pt, text takes that is wrapped between words."""
    lines, used = 1, 0.0
    for word in text.split():
        needed = estimate_width(word)
        if used and used + estimate_width(" ") + needed > width:
            lines, used = lines + 1, needed
        else:
            used += needed + (estimate_width(" ") if used else 0)
    return lines
