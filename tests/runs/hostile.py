"""Run folders that somebody has damaged, or made to harm whoever reads them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Damage = Callable[[Path], None]
"""Changes a run folder."""

ALIASES = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)
"""Ten lines that stand for 9¹⁰ values."""


def put(name: str, content: str | bytes) -> Damage:
    """Write a file anew."""

    def damage(folder: Path) -> None:
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_bytes(raw)

    return damage


def replace(name: str, old: str, new: str) -> Damage:
    """Replace a text in a file once."""

    def damage(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        put(name, text.replace(old, new, 1).encode(errors="surrogateescape"))(folder)

    return damage


def set_in_summary(block: str, key: str, value: Any) -> Damage:
    """Set a value in a block of summary.json; the block "" is the summary itself."""

    def damage(folder: Path) -> None:
        summary = json.loads((folder / "summary.json").read_text())
        (summary[block] if block else summary)[key] = value
        put("summary.json", json.dumps(summary))(folder)

    return damage


def put_pipe(name: str) -> Damage:
    """Replace a file by a named pipe, of which reading never ends."""

    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return damage


def put_link(name: str, target: str) -> Damage:
    """Replace a file by a link."""

    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return damage


def put_folder(name: str) -> Damage:
    """Replace a file by a folder."""

    def damage(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return damage


def set_seed(folder: Path, seed: int) -> None:
    """Set the seed in both files that hold it; without their checksums, as an adversary would."""
    replace("config.yaml", "\nseed: 0\n", f"\nseed: {seed}\n")(folder)
    replace("summary.json", '"seed": 0', f'"seed": {seed}')(folder)
    set_in_summary("", "files", {})(folder)


DAMAGES: dict[str, Damage] = {
    "a loss is a text": set_in_summary("best", "val_loss", "x"),
    "a loss is another number": replace("summary.json", '"val_loss": ', '"val_loss": 1'),
    "a loss is a list": set_in_summary("last", "test_loss", [1]),
    "a loss has 400 digits": set_in_summary("best", "test_loss", 10**400),
    "an epoch is a text": set_in_summary("last", "epoch", "2"),
    "an epoch is true": set_in_summary("last", "epoch", True),
    "an epoch has 400 digits": set_in_summary("last", "epoch", 10**400),
    "an epoch is below 1": set_in_summary("best", "epoch", 0),
    "an epoch is a fraction": set_in_summary("last", "epoch", 2.5),
    "the checksums are a list": set_in_summary("", "files", ["x"]),
    "a checksum is a number": set_in_summary("", "files", {"config.yaml": 5}),
    "the epochs are below 0": replace("config.yaml", "epochs: 30", "epochs: -1"),
    "seconds is a text": set_in_summary("", "seconds", "1"),
    "seconds is Infinity": set_in_summary("", "seconds", float("inf")),
    "seconds is 1e400": replace("summary.json", '"seconds": ', '"seconds": 1e400, "p": '),
    "seconds is null": set_in_summary("", "seconds", None),
    "the seed is null": set_in_summary("", "seed", None),
    "the seed is 2⁶³": lambda folder: set_seed(folder, 2**63),
    "the hash is a number": set_in_summary("", "config_hash", 5),
    "best is a list": set_in_summary("", "best", [1]),
    "the summary is a list": put("summary.json", "[]"),
    "the summary is nested deep": put("summary.json", "[" * 100_000),
    "a number has 5,000 digits": replace("summary.json", '"seed": ', '"seed": ' + "9" * 5000),
    "the summary is null bytes": put("summary.json", b"\0" * 100),
    "the summary is not UTF-8": put("summary.json", b"\xff\xfe{}"),
    "the summary is a named pipe": put_pipe("summary.json"),
    "the summary is a link to itself": put_link("summary.json", "summary.json"),
    "the summary is a link out": put_link("summary.json", "/etc/hostname"),
    "the summary is a folder": put_folder("summary.json"),
    "the summary is large": put("summary.json", " " * 2_000_000),
    "the config is a named pipe": put_pipe("config.yaml"),
    "the config is an endless device": put_link("config.yaml", "/dev/zero"),
    "the config is a folder": put_folder("config.yaml"),
    "the config is large": put("config.yaml", "#" * 2_000_000),
    "the config is null bytes": put("config.yaml", b"\0\0"),
    "the config is a bomb of aliases": put("config.yaml", ALIASES),
    "a section is a bomb of aliases": replace(
        "config.yaml", "model:\n", "model:\n" + "".join(f"  {s}\n" for s in ALIASES.splitlines())
    ),
    "the config is nested deep": replace("config.yaml", "p:", "z: " + "[" * 99999 + "\np:"),
    "the config is nested 100 levels deep": replace(
        "config.yaml", "p:", "z: " + "[" * 100 + "]" * 100 + "\np:"
    ),
    "a field is a date": replace("config.yaml", "width: 4", "width: 2020-01-01"),
    "a field is bytes": replace("config.yaml", "width: 4", "width: !!binary aGVsbG8="),
    "a field is NaN": replace("config.yaml", "width: 4", "width: .nan"),
    "a field has 400 digits": replace("config.yaml", "width: 4", "width: " + "9" * 400),
    "a field has 5,000 digits": replace("config.yaml", "width: 4", "width: " + "9" * 5000),
    "a field calls a function": replace(
        "config.yaml", "width: 4", "width: !!python/object/apply:os.system [id]"
    ),
    "a key is a number": replace("config.yaml", "width: 4", "1: 4"),
    "the regulariser's name is a list": replace("config.yaml", "name: none", "name: [a]"),
    "the device is a list": replace("config.yaml", "\ndevice: ", "\ndevice: [cpu] # "),
    "the study is a list": replace("config.yaml", "study: null", "study: [1]"),
}
"""Each makes a finished run of QUICK without a regulariser damaged."""

QUIET_DAMAGES: dict[str, Damage] = {
    "metrics.csv is a named pipe": put_pipe("metrics.csv"),
    "metrics.csv is an endless device": put_link("metrics.csv", "/dev/zero"),
    "a cell has 140,000 characters": replace("metrics.csv", "\n1,", '\n"' + "a" * 140_000 + '",'),
    "metrics.csv is not UTF-8": replace("metrics.csv", "epoch", "\udcff"),
    "an epoch of metrics.csv is a text": replace("metrics.csv", "\n1,", "\nx,"),
    "audit.json is nested deep": put("audit.json", "[" * 99_999),
    "a check is a number": put("audit.json", '{"checks": [5]}'),
    "a check has no meaning": put("audit.json", '{"checks": [{"name": "a", "passed": true}]}'),
    "audit.json is a named pipe": put_pipe("audit.json"),
    "environment.json is nested deep": put("environment.json", "[" * 99_999),
    "the packages are a list": put("environment.json", '{"packages": [1], "threads": "x"}'),
    "environment.json is a named pipe": put_pipe("environment.json"),
    "error.txt is a named pipe": put_pipe("error.txt"),
    "the lock is a named pipe": put_pipe(".lock"),
    "an event file is a link to itself": put_link("events.out.tfevents.1", "events.out.tfevents.1"),
}
"""Each is found when the file is used; a list of runs reads none of these."""
