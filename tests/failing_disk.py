"""A model of a disk whose power fails: what survives is what was fsynced, and perhaps more.

POSIX promises no more than this. A file's content is safe once the file was fsynced, its name once
its folder was. Of the rest, a disk may keep anything: see Survival.
"""

import random
import shutil
import threading
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from dropexp.runs import durable


class PowerCutError(BaseException):
    """The power is off; no program catches it."""


class Survival(StrEnum):
    """What survives beside what was fsynced."""

    NOTHING = "nothing"  # every name that was not fsynced is as it was before
    NAMES = "names"  # files have their new names, without the bytes that were not fsynced
    TORN = "torn"  # likewise, with half of these bytes
    ANYTHING = "anything"  # names and bytes by chance


@dataclass
class _File:
    content: bytes = b""
    safe: bytes = b""


class FailingDisk(durable.Disk):
    """Makes the calls of a program until the power fails, and knows what has survived.

    Args:
        root: the folder that the program writes to; empty at first.
        calls: how many calls are made; the next one finds the power off. None: no end.
    """

    def __init__(self, root: Path, calls: int | None = None) -> None:
        self._root = root
        self._left = calls
        self._lock = threading.Lock()  # a thread writes checkpoints
        self._files: dict[str, _File] = {}
        self._safe_files: dict[str, _File] = {}
        self._open: dict[int, _File] = {}
        self.calls = 0

    def create(self, path: str) -> int:
        with self._power():
            descriptor = super().create(path)
            self._open[descriptor] = self._files[path] = _File()
            return descriptor

    def open_to_append(self, path: str) -> int:
        with self._power():
            descriptor = super().open_to_append(path)
            self._open[descriptor] = self._files.setdefault(path, _File())
            return descriptor

    def write(self, descriptor: int, raw: bytes) -> None:
        with self._power():
            super().write(descriptor, raw)
            self._open[descriptor].content += raw

    def sync(self, descriptor: int) -> None:
        with self._power():
            file = self._open[descriptor]
            file.safe = file.content

    def rename(self, old: str, new: str) -> None:
        with self._power():
            super().rename(old, new)
            self._files[new] = self._files.pop(old)

    def unlink(self, path: str) -> None:
        with self._power():
            super().unlink(path)
            del self._files[path]

    def make_folder(self, path: str) -> None:
        with self._power():
            super().make_folder(path)

    def sync_folder(self, path: str) -> None:
        with self._power():
            for names in (self._safe_files, self._files):
                inside = {name: file for name, file in names.items() if _is_in(name, path)}
                if names is self._safe_files:
                    for name in inside:
                        del self._safe_files[name]
                else:
                    self._safe_files |= inside

    def restore(self, survival: Survival, chance: random.Random) -> None:
        """Leave in the folder what has survived the power cut."""
        shutil.rmtree(self._root)
        self._root.mkdir()
        for name in sorted({*self._files, *self._safe_files}):
            names = self._files if _keeps_name(survival, chance) else self._safe_files
            if name in names:
                Path(name).parent.mkdir(parents=True, exist_ok=True)
                Path(name).write_bytes(_keep_bytes(names[name], survival, chance))

    def _power(self) -> "_Power":
        return _Power(self)

    def spend(self) -> None:
        """Count one call.

        Raises:
            PowerCutError: the power is off.
        """
        if self._left == 0:
            raise PowerCutError
        self.calls += 1
        if self._left is not None:
            self._left -= 1


class _Power:
    """Makes one call at a time, while the power is on."""

    def __init__(self, disk: FailingDisk) -> None:
        self._disk = disk

    def __enter__(self) -> None:
        self._disk._lock.acquire()
        try:
            self._disk.spend()
        except PowerCutError:
            self._disk._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._disk._lock.release()


def _is_in(name: str, folder: str) -> bool:
    return str(Path(name).parent) == str(Path(folder))


def _keeps_name(survival: Survival, chance: random.Random) -> bool:
    if survival is Survival.ANYTHING:
        return chance.random() < 0.5
    return survival is not Survival.NOTHING


def _keep_bytes(file: _File, survival: Survival, chance: random.Random) -> bytes:
    unsafe = file.content[len(file.safe) :]
    shares = {Survival.TORN: 0.5, Survival.ANYTHING: chance.random()}
    return file.safe + unsafe[: int(shares.get(survival, 0.0) * len(unsafe))]
