"""The pages say what the code does: reference, map, cards, examples in Python, links."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from baselines import run_folders
from dropexp.cli.exit_codes import ExitCode
from dropexp.config.study_files import FOLDER, REGISTERED_SUFFIX
from dropexp.regularisers import REGISTRY
from dropexp.runs import files
from dropexp.runs.ledger import LEDGER, Purpose
from dropexp.runs.metric_types import EpochChoice
from dropexp.runs.records import METRICS_COLUMNS, RunSummary, SelectedEpoch
from dropexp.runs.studies import TUNE_SUFFIX
from dropexp.statistics import anytime_power, planned_power
from pages import configuration, package_map, reference
from pages.blocks import PAGES, ROOT, Block, find_blocks, replace_region

DOCS = ROOT / "docs"
PYTHON = [block for page in PAGES for block in find_blocks(page) if block.language == "python"]


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


# --- written from the code ------------------------------------------------------------------------


def test_pages_written_from_the_code_are_current() -> None:
    stale = [str(path.relative_to(ROOT)) for path in reference.find_stale()]
    assert stale == [], "scripts/docs reference writes them"


def test_the_map_has_every_package_and_module_and_nothing_else() -> None:
    package = ROOT / "dropexp"
    text = page("architecture.md")
    mapped = set()
    for part in re.split(
        r"^### ", text.partition("## Map")[2].partition("## Glossary")[0], flags=re.M
    ):
        heading, _, rows = part.partition("\n")
        folder = heading.strip() if rows.startswith("\n") and not heading.startswith("\n") else ""
        folder = folder if (package / folder / "__init__.py").is_file() else ""
        for name in re.findall(r"^\| `([^`]+)` \|", rows, flags=re.M):
            path = f"{name}__init__.py" if name.endswith("/") else name
            mapped.add(Path(folder, path).as_posix())
        mapped |= {f"{folder}/__init__.py"} if folder else set()
    modules = {file.relative_to(package).as_posix() for file in package.rglob("*.py")}
    assert mapped == modules


def test_a_package_that_is_not_on_the_disk_is_not_on_the_map(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "__init__.py").write_text('"""A package."""\n')
    (tmp_path / "engine" / "__init__.py").write_text('"""Starts things."""\n')
    (tmp_path / "engine" / "spark.py").write_text('"""Ignites | burns.\n\nMore."""\n')
    (tmp_path / "leftover").mkdir()
    text = package_map.write_map(tmp_path)
    assert "### engine\n\nStarts things.\n" in text
    assert "| `spark.py` | Ignites \\| burns. |" in text
    assert "leftover" not in text


def test_every_key_and_choice_of_the_configuration_is_described() -> None:
    rows = [line for line in page(configuration.PAGE).splitlines() if line.startswith("| `")]
    assert [row for row in rows if row.split(" | ")[1].strip() in ("", "|")] == []


def test_what_rich_needs_escaped_is_plain_in_the_reference() -> None:
    assert "`pip install 'dropexp[tune]'`" in page("reference/commands.md")
    assert "\\[" not in page("reference/commands.md")


def test_a_region_is_replaced_and_a_missing_one_is_an_error() -> None:
    text = "a\n<!-- x: written by scripts/docs -->\nold\n<!-- end of x -->\nb\n"
    new = replace_region(text, "x", "new")
    assert new == "a\n<!-- x: written by scripts/docs -->\n\nnew\n\n<!-- end of x -->\nb\n"
    assert replace_region(new, "x", "new") == new
    with pytest.raises(ValueError, match="no region"):
        replace_region(text, "y", "new")


# --- written by hand ------------------------------------------------------------------------------


def test_every_regulariser_has_a_card_with_its_options() -> None:
    text = page("reference/regularisers.md")
    cards = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S))
    assert set(REGISTRY) <= set(cards)
    for name, keys in configuration.find_keys("regulariser").items():
        for key in sorted(set(keys) - {"p"}):
            assert f"`{key}`" in cards[name], f"the card of {name} lacks {key}"


def test_exit_codes_are_those_of_the_code() -> None:
    told = re.findall(r"^\| (\d+) \| `(\w+)` \|", page("reference/exit-codes.md"), flags=re.M)
    assert [(int(code), name) for code, name in told] == [(int(c), c.name) for c in ExitCode]


def test_the_run_folders_page_has_every_file_column_and_key() -> None:
    text = page("reference/run-folder.md")
    names = {
        *(files.CONFIG, files.ENVIRONMENT, files.AUDIT, files.METRICS, files.SUMMARY),
        *(files.CHECKPOINT, files.WEIGHTS, files.LOG, files.ERROR),
    }
    keys = [field.name for kind in (RunSummary, SelectedEpoch) for field in fields(kind)]
    missing = [name for name in [*names, *METRICS_COLUMNS, *keys] if f"`{name}`" not in text]
    assert missing == []
    beside = [LEDGER, f"{FOLDER}/NAME{REGISTERED_SUFFIX}", f"{FOLDER}/NAME{TUNE_SUFFIX}", *Purpose]
    assert [name for name in beside if f"`{name}`" not in text] == []


def test_every_epoch_that_can_be_compared_at_is_explained() -> None:
    text = page("reference/metrics.md")
    assert [epoch for epoch in EpochChoice if f"| `{epoch.value}` |" not in text] == []


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.name)
def test_examples_in_python_run(
    block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if 'Path("runs")' in block.text:
        run_folders.make_runs(tmp_path / "runs", runs=12, seeds=3)
    exec(compile(block.text, block.name, "exec"), {"__name__": "__main__"})


def test_pages_have_no_html_tags_outside_code() -> None:
    """A browser swallows what looks like a tag, such as the name of a placeholder."""
    tags = {}
    for path in PAGES:
        text = re.sub(
            r"^```.*?^ *```$|<!--.*?-->", "", path.read_text(encoding="utf-8"), flags=re.M | re.S
        )
        text = re.sub(r"`[^`]*`", "", text)
        tags[path.name] = re.findall(r"<(?!https?:)/?[A-Za-z][^>\n]*>", text)
    assert {name: found for name, found in tags.items() if found} == {}


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_pictures_that_pages_show_are_there_and_all_are_shown() -> None:
    shown = {
        (path.parent / link).resolve()
        for path in PAGES
        for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", path.read_text(encoding="utf-8"))
    }
    there = {path for path in DOCS.rglob("*") if path.suffix in (".png", ".svg")}
    assert shown == there


def test_every_dependency_and_extra_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    packages, extras = page("reference/dependencies.md").split("| extra |")
    told = re.findall(r"^\| (?!package|-)([^|]+) \|", packages, flags=re.M)
    names = [re.split(r"[\[><=]", each)[0] for each in project["dependencies"]]
    assert sorted(", ".join(told).split(", ")) == sorted(names)
    assert set(re.findall(r"^\| `(\w+)` \|", extras, flags=re.M)) == set(
        project["optional-dependencies"]
    )


def test_files_that_pages_name_are_there() -> None:
    named = {
        name
        for path in PAGES
        for name in re.findall(r"`([\w./-]+)`", path.read_text(encoding="utf-8"))
        if re.match(r"(dropexp|conf|scripts|tests)/", name) or re.fullmatch(r"[\w/]+/\w+\.py", name)
    }
    assert len(named) > 20
    # The map names files from their package.
    package = ROOT / "dropexp"
    roots = [
        ROOT,
        package,
        *(package / name for name in ("compare", "models", "regularisers", "report", "sweep")),
    ]
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_the_table_of_powers_is_what_the_functions_return() -> None:
    text = page("explanation/verdicts.md")
    rows = re.findall(r"^\| (\d+) \| (planned|anytime) \| (.*) \|$", text, flags=re.MULTILINE)
    assert len(rows) == 6
    for count, test, powers in rows:
        power = planned_power if test == "planned" else anytime_power
        expected = [power(sd, seeds, int(count)) for seeds in (8, 12) for sd in (1, 1.5, 2)]
        assert [float(each) for each in powers.split(" | ")] == pytest.approx(expected, abs=0.02)
