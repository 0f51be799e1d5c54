"""The fenced blocks of a Markdown page, the commands in them, and regions that scripts write."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w*)(?P<options>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S)
_NEEDS = "# Needs "


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the file it stands in.
        line: of its first line of text, counted from 1.
        language: ``bash``, ``console``, ``python``, …; empty where none is named.
        title: of ``title="…"`` behind the language; empty where there is none.
        text: what is between the fences.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def name(self) -> str:
        """Where it stands, as ``docs/index.md:12``."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def find_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            line=text.count("\n", 0, match.start("text")) + 1,
            language=match["language"],
            title=_title(match["options"]),
            text=match["text"],
        )
        for match in _FENCE.finditer(text)
    ]


def _title(options: str) -> str:
    match = re.search(r'title="([^"]*)"', options)
    return match[1] if match else ""


def find_commands(block: Block) -> Iterator[list[str]]:
    """Yield the arguments of every shell command in a ``bash`` or ``console`` block.

    In a ``console`` block, commands follow ``$ `` and all else is output. Commands behind a
    comment that begins with ``# Needs`` (such as ``# Needs a Ray cluster.``) are left out: they
    only work on other machines.
    """
    for line in _shell_lines(block):
        if line.startswith(_NEEDS):
            return
        words = shlex.split(line, comments=True)
        while words:
            end = next((i for i, word in enumerate(words) if word in ("&&", "|", ">")), len(words))
            yield words[:end]
            words = words[end + 2 :] if words[end : end + 1] == [">"] else words[end + 1 :]


def _shell_lines(block: Block) -> list[str]:
    if block.language == "bash":
        return block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
    return []


def replace_region(text: str, name: str, content: str) -> str:
    """Return a page's text with the region between ``<!-- name -->`` marks filled anew.

    Raises:
        ValueError: the page has no such region.
    """
    begin, end = f"<!-- {name}: written by scripts/docs -->\n", f"<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the page has no region {begin.strip()} … {end}")
    return f"{before}{begin}\n{content.strip()}\n\n{end}{after}"
