"""The checksum of a summary's values, which summary.json holds itself."""

import json
from collections.abc import Mapping
from typing import Any

from dropexp.runs.durable import compute_digest
from dropexp.runs.files import SUMMARY


def compute_values_digest(plain: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a summary's plain values, that digest itself left out."""
    files = {name: digest for name, digest in plain["files"].items() if name != SUMMARY}
    return compute_digest(json.dumps({**plain, "files": files}, sort_keys=True).encode())


def check_values_digest(plain: Mapping[str, Any]) -> None:
    """Check a summary's plain values against their own digest, where they hold one.

    Raises:
        ValueError: they do not agree.
    """
    digest = plain.get("files", {}).get(SUMMARY)
    if digest is not None and digest != compute_values_digest(plain):
        raise ValueError("its values do not agree with its checksum")
