"""The machine a run runs on: device, threads, determinism, and a note of it all."""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from dropexp import __version__
from dropexp.errors import DeviceError

_NOTED_PACKAGES = ("torch", "torchvision", "numpy", "hydra-core", "tensorboard")


def select_device(name: str) -> torch.device:
    """The device for ``device=<name>``; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        DeviceError: the device asked for is not there.
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    kind, _, index = name.partition(":")
    count = {"cuda": torch.cuda.device_count(), "mps": int(has_mps), "cpu": 1}[kind]
    if int(index or 0) >= count:
        raise DeviceError(f"device={name} is not there: {_available(has_mps)}.")
    return torch.device(name)


def configure_torch(device: torch.device, threads: int | None, deterministic: bool | None) -> None:
    """Set torch's threads and its refusal of non-deterministic operations."""
    if threads is not None:
        torch.set_num_threads(threads)
    refuse = device.type == "cpu" if deterministic is None else deterministic
    if refuse and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    # use_deterministic_algorithms() would do the same and import torch's compiler: 1.1 s.
    torch.set_deterministic_debug_mode("error" if refuse else "default")
    # A debugging aid that would cost time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch failed to get memory; on a CPU it says so in a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def peak_memory_mb(device: torch.device) -> float:
    """The most memory this process has held at once, in MB (10⁶ bytes).

    On a CUDA device: torch's tensors on it; elsewhere: the whole process's resident memory.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def describe(device: torch.device) -> dict[str, Any]:
    """What environment.json says: versions, machine, device, commit, command line."""
    return {
        "dropexp": __version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _NOTED_PACKAGES},
        "platform": platform.platform(),
        "device": str(device),
        "device_name": _device_name(device),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "git_commit": _git_commit(),
        "command": sys.argv,
        "folder": str(Path.cwd()),
    }


def _available(has_mps: bool) -> str:
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    found = ["cpu", *cuda, *(["mps"] if has_mps else [])]
    built = "" if torch.version.cuda else "; this torch is built without CUDA"
    return f"available: {', '.join(found)}{built}"


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of dropexp's own source, ``-dirty`` appended if it has local changes."""
    source = Path(__file__).parents[1]
    if not (source.parent / ".git").exists():
        return None
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
