"""Reads weights from a file that may come from anybody: data only, and within limits."""

import io
import pickle
import re
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from dropexp.config.parsing import read_limited
from dropexp.config.published_weights import PublishedWeights
from dropexp.config.weights_files import PICKLED, find_weights_file
from dropexp.errors import ConfigError, StoreError
from dropexp.runs.parsing import limit_weights

_STATE_KEYS = ("state_dict", "model_state_dict", "model")
"""Under which training scripts keep the weights beside other things; the first one counts."""

_NUMBERS_BESIDE_WEIGHTS = 4
"""A checkpoint has for each weight also those of its optimiser and of averages."""


def read_weights_file(weights: str, fingerprint: str | None, numbers: int) -> dict[str, Tensor]:
    """Return the tensors of a file of weights by name, on the CPU.

    The last file read is kept, as a run needs its weights several times.

    Args:
        weights: ``model.weights``, the path of a file or of a run folder.
        fingerprint: hex digits with which its SHA-256 must begin; None: any.
        numbers: how many the network has, which limits the size of the file.

    Raises:
        ConfigError: there is no such file, it has another fingerprint, is too large, or is not a
            file of weights.
    """
    path = find_weights_file(weights).absolute()
    label = f"model.weights={weights}"
    if fingerprint is None:  # nothing would tell that the file has changed since
        return _read.__wrapped__(path, label, None, numbers)
    return _read(path, label, fingerprint, numbers)


def read_published_weights(
    published: PublishedWeights, fingerprint: str | None, numbers: int
) -> dict[str, Tensor]:
    """Return the tensors of weights that torchvision publishes; downloaded if they are not here.

    They are kept where torchvision keeps them, in the folder of torch.hub.

    Args:
        published: the weights.
        fingerprint: see read_weights_file; None: that of the file's name.
        numbers: see read_weights_file.

    Raises:
        ConfigError: they cannot be downloaded, or are not what torchvision publishes.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    file = folder / published.file_name
    label = f"model.weights={published.name}"
    if not file.is_file():
        _download(published, folder, label)
    try:
        return _read(file, label, fingerprint or published.digest, numbers)
    except ConfigError:
        _refuse_other_content(file, label, published.digest)
        raise


def _refuse_other_content(file: Path, label: str, digest: str) -> None:
    """Refuse a file that is not what torchvision publishes, as a download that was broken off."""
    with file.open("rb") as stream:
        found = file_digest(stream, "sha256").hexdigest()
    if not found.startswith(digest):
        raise ConfigError(
            f"{label} is not what torchvision publishes: the SHA-256 of {file} begins with "
            f"{found[: len(digest)]}, not with {digest}. Delete the file, and it is downloaded "
            f"again."
        )


def _download(published: PublishedWeights, folder: Path, label: str) -> None:
    # Imports Python's HTTP client, which most runs do without.
    from dropexp.data.download import FAILURES, list_answering, prepare_download

    file = folder / published.file_name
    try:
        list_answering([published.url])
        with prepare_download("weights", folder, [published.file_name]):
            if not file.is_file():  # another process may have waited for the same
                torch.hub.download_url_to_file(
                    published.url, str(file), hash_prefix=published.digest, progress=False
                )
    except FAILURES as error:
        raise ConfigError(
            f"{label} cannot be downloaded ({error}). Put {published.url} into {folder}, or name a "
            f"file: model.weights=FILE."
        ) from None


@lru_cache(maxsize=1)
def _read(path: Path, label: str, fingerprint: str | None, numbers: int) -> dict[str, Tensor]:
    try:
        limit = limit_weights(_NUMBERS_BESIDE_WEIGHTS * numbers)
        raw = read_limited(path, limit, follow_link=True)
    except (OSError, StoreError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{label}: {reason}") from None
    digest = sha256(raw).hexdigest()
    if fingerprint is not None and not digest.startswith(fingerprint):
        raise ConfigError(
            f"{label} is another file than the run was made with: its SHA-256 begins with "
            f"{digest[: len(fingerprint)]}, and model.weights_fingerprint={fingerprint}. Restore "
            f"it, or make a new run."
        )
    load_saved = _load_pickled if path.suffix in PICKLED else _load_safetensors
    saved = load_saved(raw, label)
    return _check_tensors(_find_state(saved, label), label)


def _load_safetensors(raw: bytes, label: str) -> dict[str, Tensor]:
    try:
        return load(raw)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{label} is not a file of safetensors: {error}.") from None


def _load_pickled(raw: bytes, label: str) -> Any:
    """Return what torch.save wrote, if it is data only: nothing in it is called."""
    _refuse_packed(raw, label)
    try:
        return torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
    except MemoryError:
        raise ConfigError(f"{label} asks for more memory than there is.") from None
    except (pickle.UnpicklingError, RuntimeError, ValueError, TypeError, LookupError) as error:
        raise ConfigError(f"{label} {_explain_unreadable(error)}") from None
    except (EOFError, AttributeError, OSError, RecursionError) as error:
        raise ConfigError(f"{label} {_explain_unreadable(error)}") from None


def _refuse_packed(raw: bytes, label: str) -> None:
    """Refuse an archive whose files are larger than itself, which torch never writes."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            size = sum(file.file_size for file in archive.infolist())
    except zipfile.BadZipFile:
        return  # the format before torch 1.6, which is not packed
    if size > len(raw):
        raise ConfigError(
            f"{label} is not allowed: its {len(raw):,} bytes unpack to {size:,}, and torch.save "
            f"packs nothing."
        )


def _explain_unreadable(error: Exception) -> str:
    code = re.search(r"GLOBAL ([\w.]+)", str(error))
    if code is not None:
        return (
            f"holds more than data: {code[1]}, which would have to be imported and called. Save "
            f"the weights alone: torch.save(model.state_dict(), FILE)."
        )
    # torch goes on with advice on its own causes.
    reason = re.split(r"\.\s|\n", str(error).strip())[0].rstrip(".") or type(error).__name__
    return f"is not a file of weights: {reason}."


def _find_state(saved: Any, label: str) -> dict[str, Tensor]:
    """Return the tensors, by name, in what a file holds."""
    found = saved if isinstance(saved, Mapping) else {}
    inner = [found[key] for key in _STATE_KEYS if isinstance(found.get(key), Mapping)]
    found = inner[0] if inner else found
    tensors = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    if not tensors or not all(isinstance(name, str) for name in tensors):
        raise ConfigError(
            f"{label} holds no weights: a mapping of names to tensors is needed, as "
            f"model.state_dict() returns it, alone or under {', '.join(_STATE_KEYS)}."
        )
    return tensors


def _check_tensors(tensors: Mapping[str, Tensor], label: str) -> dict[str, Tensor]:
    """Return the tensors, which must be ordinary."""
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise ConfigError(
                f"{label}: {name} is sparse, quantised or without values, no ordinary tensor."
            )
        if tensor.is_complex():
            raise ConfigError(f"{label}: {name} has complex numbers.")
    return {name: tensor.detach() for name, tensor in tensors.items()}
