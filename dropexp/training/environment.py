"""The machine that a run is trained on: its device, threads and determinism, and a record of it."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from dropexp import __version__
from dropexp.errors import DeviceError
from dropexp.runs.source_commit import find_source_commit
from dropexp.training.startup import (
    describe_waits,
    keep_freed_memory,
    refuse_nondeterminism,
)

_CPU_LIST = Path("/proc/cpuinfo")  # of Linux
_RECORDED_PACKAGES = ("torch", "torchvision", "numpy", "hydra-core", "tensorboard")


def select_device(name: str) -> torch.device:
    """Return the device for ``device=<name>``; ``auto`` takes CUDA, then MPS, then the CPU.

    Raises:
        DeviceError: this machine, or this torch, has no such device.
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    kind, _, index = name.partition(":")
    count = {"cuda": torch.cuda.device_count(), "mps": int(has_mps), "cpu": 1}[kind]
    if int(index or 0) >= count:
        raise DeviceError(
            f"device={name} is not available on this machine. {_describe_available(has_mps)}; "
            f"device=auto chooses one."
        )
    return torch.device(name)


def configure_torch(
    device: torch.device,
    threads: int | None,
    deterministic: bool | None,
    precision: str = "float32",
) -> None:
    """Set torch's number of threads, its memory and what it refuses, before anything is trained.

    Args:
        device: to train on.
        threads: how many; None: torch's own choice.
        deterministic: whether to refuse them; None: on a CPU only.
        precision: of the config. Only tf32 rounds products on a GPU; by default torch does so in
            convolutions.
    """
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)
    is_rounded = precision == "tf32"
    torch.set_float32_matmul_precision("high" if is_rounded else "highest")
    torch.backends.cudnn.allow_tf32 = is_rounded
    is_refused = device.type == "cpu" if deterministic is None else deterministic
    if is_refused and device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
    refuse_nondeterminism(is_refused)
    # A debugging aid, off here: it would fill every new, uninitialised tensor with NaN.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


@contextmanager
def keep_torch_settings() -> Iterator[None]:
    """Put back afterwards what configure_torch sets, for a process that goes on without dropexp."""
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    precision, has_tf32 = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    benchmark = torch.backends.cudnn.benchmark
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = has_tf32
        torch.backends.cudnn.benchmark = benchmark


def is_out_of_memory(error: Exception) -> bool:
    """Return whether torch could not allocate memory; on a CPU it raises a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def measure_peak_memory(device: torch.device) -> float:
    """Return the most memory that this process has held at once, in MB (10⁶ bytes).

    On a CUDA device it is the memory of torch's tensors there, on other devices the resident
    memory of the process; NaN on Windows.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    if sys.platform == "win32":
        return float("nan")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Return environment.json's content: versions, machine, device, commit, command line."""
    return {
        "dropexp": __version__,
        "python": platform.python_version(),
        "packages": find_versions(),
        "platform": platform.platform(),
        "device": str(device),
        "device_name": _device_name(device),
        "processor": describe_processor(device),
        "threads": torch.get_num_threads(),
        "openmp": describe_waits(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "git_commit": find_source_commit(),
        "command": sys.argv,
        "folder": str(Path.cwd()),
    }


def _describe_available(has_mps: bool) -> str:
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    devices = ["cpu", *cuda, *(["mps"] if has_mps else [])]
    built = "" if torch.version.cuda else " (this torch is built without CUDA)"
    return f"Available: {', '.join(devices)}{built}"


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def describe_processor(device: torch.device) -> str | None:
    """Return what computes, as far as it decides how sums are rounded; None where it is unknown.

    On a CPU it is the model, the instructions that torch uses there, and what the environment
    forbids oneDNN: ``Intel(R) Xeon(R) Processor, AVX512``.
    """
    if device.type != "cpu":
        return _device_name(device)
    model = _read_cpu_model() or platform.processor()
    if not model:
        return None
    limit = os.environ.get("DNNL_MAX_CPU_ISA") or os.environ.get("ONEDNN_MAX_CPU_ISA")
    instructions = torch.backends.cpu.get_cpu_capability()
    return ", ".join([model, instructions, *([f"oneDNN {limit}"] if limit else [])])


def _read_cpu_model() -> str | None:
    """Return the name of the processor's model; None where the system does not list it."""
    try:
        lines = _CPU_LIST.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None)


@cache
def find_versions() -> dict[str, str | None]:
    """Return the installed version of each recorded package; None where it is not installed."""
    return {name: _find_version(name) for name in _RECORDED_PACKAGES}


def _find_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
