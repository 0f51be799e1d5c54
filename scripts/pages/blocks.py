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
    """A fenced block of a Markdown page.

    Attributes:
        page: the file of the page.
        line: the number of its first line of text, counted from 1.
        language: ``bash``, ``console``, ``python``, …; empty without one.
        title: the value of ``title="…"`` after the language; empty without one.
        text: the text between the fences.
    """

    page: Path
    line: int
    language: str
    title: str
    text: str

    @property
    def name(self) -> str:
        """The place of the block: ``docs/index.md:12``."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def find_blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order."""
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

    In a ``console`` block, commands follow ``$ `` and everything else is output. Commands after a
    comment that begins with ``# Needs`` (such as ``# Needs a Ray cluster.``) are left out, because
    they need what a test has not.
    """
    for line in _shell_lines(block):
        if line.startswith(_NEEDS):
            return
        rest = shlex.split(line, comments=True)
        while rest:
            end = next((i for i, part in enumerate(rest) if part in ("&&", "|", ">")), len(rest))
            yield rest[:end]
            is_file_next = rest[end : end + 1] == [">"]
            rest = rest[end + 1 + is_file_next :]


def _shell_lines(block: Block) -> list[str]:
    if block.language == "bash":
        return block.text.replace("\\\n", " ").splitlines()
    if block.language == "console":
        return [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
    return []


def escape_tags(text: str) -> str:
    """Return Markdown in which ``<`` outside code spans shows as itself and begins no HTML tag."""
    return re.sub(r"(`[^`]*`)|<", lambda match: match[1] or "&lt;", text)


def replace_region(text: str, name: str, content: str) -> str:
    """Return a page's text with new content in the region between the marks of a name.

    Raises:
        ValueError: the page has no such region.
    """
    begin, end = f"<!-- {name}: written by scripts/docs -->\n", f"<!-- end of {name} -->"
    before, opening, rest = text.partition(begin)
    _, closing, after = rest.partition(end)
    if not (opening and closing):
        raise ValueError(f"the page has no region {begin.strip()} … {end}")
    return f"{before}{begin}\n{content.strip()}\n\n{end}{after}"
