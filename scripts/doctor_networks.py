#!/usr/bin/env python3
"""Write docs/findings/doctor.md: what `dropexp doctor` says about published networks.

    scripts/doctor_networks.py                        print the page; takes minutes
    scripts/doctor_networks.py -o docs/findings/doctor.md
    scripts/doctor_networks.py --rows rows.jsonl      keep what is done, and resume from it

Networks of timm are left out where timm is not installed.
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from dropexp.doctor import diagnose
from examinations.networks import Published, list_networks

_PAGE = """# What the doctor says about published networks

Every network in the state in which it is constructed, with random weights and no option but the
number of classes and, where it has one, the size of its images. A false alarm would be an error in
this table outside of the article's row.

Written by `scripts/doctor_networks.py` on {date} with dropexp {dropexp}, torch {torch}, torchvision
{torchvision} and timm {timm}, on a CPU. {count} networks took {seconds:.0f} s of processor time.

| source | network | input | dropout-like sites | of them on | errors | notes |
|---|---|---|--:|--:|---|---|
{rows}

*On* are the sites that dropped something in training mode; all others have p = 0 or are not called.
The notes are `zero_p` (dropout with p = 0, which does nothing) and `not_called` (torchvision's
EfficientNet constructs stochastic depth also for blocks without a shortcut, which never call it).

The article's network calls `F.dropout2d` without `training=self.training`, so it drops channels
when it predicts too: {article}
"""


Row = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    parser.add_argument("--rows", type=Path, metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = list(_examine_all(options.rows))
    page = _PAGE.format(
        date=date.today(),
        dropexp=version("dropexp"),
        torch=torch.__version__,
        torchvision=version("torchvision"),
        timm=_find_version("timm"),
        count=len(rows),
        seconds=sum(row["seconds"] for row in rows),
        rows="\n".join(map(_format_row, rows)),
        article=rows[0]["messages"][0],
    )
    if options.output is None:
        print(page, end="")
    else:
        options.output.write_text(page, encoding="utf-8")


def _examine_all(file: Path | None) -> Iterator[Row]:
    """Yield a row for each network, from the file where it has been examined."""
    lines = file.read_text().splitlines() if file is not None and file.exists() else []
    done: dict[tuple[str, str], Row] = {
        (row["source"], row["name"]): row for row in map(json.loads, lines)
    }
    for network in list_networks():
        if network.source == "timm" and not _find_version("timm"):
            continue
        row = done.get((network.source, network.name))
        if row is None:
            row = _examine(network)
            if file is not None:
                with file.open("a") as stream:
                    stream.write(json.dumps(row) + "\n")
        yield row


def _examine(network: Published) -> Row:
    start = time.process_time()
    model = network.make()
    report = diagnose(model, torch.randn(2, network.channels, network.side, network.side))
    return {
        "source": network.source,
        "name": network.name,
        "input": f"{network.channels}×{network.side}×{network.side}",
        "sites": len(report.sites),
        "on": sum(bool(site.drop_rate) for site in report.sites),
        "errors": list(dict.fromkeys(each.mistake for each in report.errors)),
        "notes": list(
            dict.fromkeys(each.mistake for each in report.findings if each.level == "note")
        ),
        "messages": [each.message for each in report.errors],
        "seconds": time.process_time() - start,
    }


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _format_row(row: Row) -> str:
    errors, notes = (
        ", ".join(f"`{name}`" for name in row[kind]) or "none" for kind in ("errors", "notes")
    )
    cells = (row["source"], row["name"], row["input"], row["sites"], row["on"], errors, notes)
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
