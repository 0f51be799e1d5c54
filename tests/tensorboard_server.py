"""Starts a real TensorBoard, and asks what its pages ask."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def tensorboard_server(root: Path, log: Path) -> Iterator[str]:
    """Start TensorBoard on a folder; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(root)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as server:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            # SIGTERM, because TensorBoard then also ends its data server, a second process.
            server.terminate()
            try:
                server.wait(timeout=60)
            except subprocess.TimeoutExpired:
                server.kill()


def fetch_json(url: str, body: dict[str, Any] | None = None) -> Any:
    """Return the answer of a server to a question."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def wait_for_runs(server: str, number: int, last: str = "last/test_acc") -> dict[str, Any]:
    """Wait until the server has read all runs to their last tag; return the tags of each."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, urllib.error.URLError):
            tags = fetch_json(f"{server}/data/plugin/scalars/tags")
            if len(tags) == number and all(last in of_run for of_run in tags.values()):
                return dict(tags)
        time.sleep(0.2)
    raise TimeoutError("TensorBoard did not show the runs")


SESSION_QUERY = {
    "experimentName": "",
    "allowedStatuses": [f"STATUS_{s}" for s in ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")],
    "colParams": [],
    "startIndex": 0,
    "sliceSize": 100,
}
