#!/usr/bin/env python3
"""Write docs/findings/doctor.md: what `dropexp doctor` says about published networks.

    scripts/doctor_networks.py                        print the page; takes minutes
    scripts/doctor_networks.py -o docs/findings/doctor.md

Networks of timm are left out where timm is not installed.
"""

import argparse
import time
from collections import Counter
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from dropexp.doctor import DoctorReport, diagnose
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, metavar="FILE")
    output: Path | None = parser.parse_args().output
    torch.set_num_threads(1)
    start = time.process_time()
    reports = dict(_examine_all())
    page = _PAGE.format(
        date=date.today(),
        dropexp=version("dropexp"),
        torch=torch.__version__,
        torchvision=version("torchvision"),
        timm=_find_version("timm"),
        count=len(reports),
        seconds=time.process_time() - start,
        rows="\n".join(_format_row(network, report) for network, report in reports.items()),
        article=next(iter(reports.values())).errors[0].message.replace(str(Path.cwd()) + "/", ""),
    )
    if output is None:
        print(page, end="")
    else:
        output.write_text(page, encoding="utf-8")


def _examine_all() -> list[tuple[Published, DoctorReport]]:
    reports = []
    for network in list_networks():
        if network.source == "timm" and not _find_version("timm"):
            continue
        x = torch.randn(2, network.channels, network.side, network.side)
        reports.append((network, diagnose(network.make(), x)))
    return reports


def _find_version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _format_row(network: Published, report: DoctorReport) -> str:
    levels = {
        level: Counter(each.mistake for each in report.findings if each.level == level)
        for level in ("error", "note")
    }
    errors, notes = (
        ", ".join(f"`{name}`" for name in levels[level]) or "none" for level in ("error", "note")
    )
    on = sum(bool(site.drop_rate) for site in report.sites)
    side = f"{network.channels}×{network.side}×{network.side}"
    cells = (network.source, network.name, side, len(report.sites), on, errors, notes)
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
