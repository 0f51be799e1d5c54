"""What the start-up tricks do is what torch does without them."""

import gc
import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from dropexp.config.compose import compose_run
from dropexp.training.optim import build_optimiser, set_learning_rate
from dropexp.training.startup import (
    SHORT_WAITS,
    pause_collector,
    refuse_nondeterminism,
    resume_collector,
    take_step,
)


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimiser=sgd"],
        ["optimiser=sgd", "optimiser.nesterov=true", "optimiser.weight_decay=0.1"],
        ["optimiser=adam", "optimiser.weight_decay=0.1"],
        ["optimiser=adamw", "optimiser.betas=[0.8,0.99]"],
    ],
)
def test_take_step_is_the_optimisers_own_step(overrides: list[str]) -> None:
    def trained(*, own: bool) -> torch.Tensor:
        torch.manual_seed(0)
        layer = nn.Linear(5, 3)
        optimiser = build_optimiser(compose_run(overrides).optimiser, layer.parameters())
        x = torch.randn(8, 5)
        for step in range(4):
            set_learning_rate(optimiser, 0.1 / (step + 1))
            optimiser.zero_grad()
            layer(x).square().mean().backward()
            optimiser.step() if own else take_step(optimiser)
        return layer.weight.detach()

    assert torch.equal(trained(own=True), trained(own=False))


def test_nondeterministic_operations_are_refused_and_allowed_again() -> None:
    for is_refused in (True, False):
        refuse_nondeterminism(is_refused)
        assert torch.are_deterministic_algorithms_enabled() is is_refused


def test_garbage_is_looked_for_again_after_the_start() -> None:
    gc.unfreeze()
    resume_collector()  # it was never stopped
    assert gc.get_freeze_count() == 0
    pause_collector()
    assert not gc.isenabled()
    resume_collector()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()


WAITS = (*SHORT_WAITS, "OMP_WAIT_POLICY", "KMP_LIBRARY")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, SHORT_WAITS),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
        ({"KMP_BLOCKTIME": "7"}, {"KMP_BLOCKTIME": "7"}),
    ],
)
def test_waiting_threads_sleep_soon_unless_the_user_says_otherwise(
    given: dict[str, str], expected: dict[str, str]
) -> None:
    code = "import os, sys; from dropexp.training.startup import shorten_waits, describe_waits\n"
    code += "shorten_waits(); import json; print(json.dumps(describe_waits()))\n"
    code += "sys.exit('torch' in sys.modules)"
    clean = {name: value for name, value in os.environ.items() if name not in WAITS}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean | given, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == expected


def test_importing_the_package_changes_no_setting() -> None:
    code = "import os; before = dict(os.environ); import dropexp; assert before == dict(os.environ)"
    subprocess.run([sys.executable, "-c", code], check=True)


COUNT_FAULTS = """
import ctypes, resource, sys
from dropexp.training.startup import keep_freed_memory

if sys.argv[1:]:
    keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
for repeat in range(10):
    if repeat == 1:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for megabytes in (4, 48):  # by itself, glibc never keeps a block above 32
        block = ctypes.c_void_p(libc.malloc(megabytes * 2**20))
        ctypes.memset(block, 1, megabytes * 2**20)
        libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has the setting")
def test_freed_memory_is_used_again_without_page_faults() -> None:
    def count(*arguments: str) -> int:
        command = [sys.executable, "-c", COUNT_FAULTS, *arguments]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    assert count("keep") < count() / 5
