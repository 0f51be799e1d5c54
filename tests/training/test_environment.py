"""The machine: devices that are not there are refused, what there is is noted."""

import json
from pathlib import Path

import pytest
import torch

from dropexp.errors import DeviceError
from dropexp.training import environment
from dropexp.training.environment import (
    configure_torch,
    describe_environment,
    measure_peak_memory,
    select_device,
)


def test_auto_is_a_device_that_is_there() -> None:
    assert torch.zeros(1, device=select_device("auto")).device.type == select_device("auto").type


@pytest.mark.parametrize("name", ["cuda:99", "cuda:1000"])
def test_a_device_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(
        DeviceError, match=rf"device={name} is not available on this machine. Available: cpu"
    ):
        select_device(name)


def test_determinism_is_the_default_on_a_cpu_and_can_be_given_up() -> None:
    cpu = torch.device("cpu")
    for asked, expected in ((None, True), (False, False), (True, True)):
        configure_torch(cpu, None, asked)
        assert torch.are_deterministic_algorithms_enabled() is expected
    configure_torch(cpu, None, False)


def test_the_processor_is_described_with_the_instructions_that_torch_uses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: other\n")
    monkeypatch.setattr(environment, "_CPU_LIST", listed)
    monkeypatch.setenv("DNNL_MAX_CPU_ISA", "AVX2")
    instructions = torch.backends.cpu.get_cpu_capability()
    described = environment.describe_processor(torch.device("cpu"))
    assert described == f"Some CPU @ 2 GHz, {instructions}, oneDNN AVX2"


def test_the_description_is_json_and_names_versions() -> None:
    described = json.loads(json.dumps(describe_environment(torch.device("cpu"))))
    assert described["packages"]["torch"] == torch.__version__
    assert described["device"] == "cpu"


def test_peak_memory_is_in_megabytes_of_this_process() -> None:
    assert 50 < measure_peak_memory(torch.device("cpu")) < 50_000
