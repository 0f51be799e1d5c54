import sys
from pathlib import Path

import pytest

from dropexp.data.torchvision_import import import_torchvision
from tests.data.examples import in_a_new_process


def test_torchvision_is_usable_also_after_an_import_that_failed() -> None:
    printed = in_a_new_process("""
try:
    import torchvision
except RuntimeError:  # its wheel does not fit this torch
    pass
import torch
from dropexp.data import torchvision_import
first = torchvision_import.import_torchvision()
declared = torchvision_import._declared
assert torchvision_import.import_torchvision() is first
assert torchvision_import._declared is declared
import torchvision, torchvision.datasets
from torchvision.transforms import v2
assert torchvision is first
assert torchvision.datasets.CIFAR10.__name__ == "CIFAR10"
assert v2.CenterCrop(2)(torch.ones(1, 4, 4)).shape == (1, 2, 2)
model = torchvision.models.resnet18(num_classes=3).eval()
assert model(torch.ones(1, 3, 32, 32)).shape == (1, 3)
assert torchvision.ops.StochasticDepth(0.5, "row")(torch.ones(4, 2)).shape == (4, 2)
try:
    torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    print("torchvision's operators work here")
except RuntimeError as error:
    print(error)
""")
    assert printed == "torchvision's operators work here" or "custom C++ ops" in printed


def test_nothing_is_declared_if_the_operators_exist() -> None:
    printed = in_a_new_process("""
import torch
from dropexp.data import torchvision_import
there = torch.library.Library("torchvision", "FRAGMENT")
try:
    torch.ops.torchvision.nms
except AttributeError:  # else torchvision's wheel fits this torch, and needs no simulation
    for schema in torchvision_import._OPERATORS:
        there.define(schema)
torchvision_import.import_torchvision()
print(torchvision_import._declared)
""")
    assert printed == "None"


def test_another_failure_of_the_import_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('built for another planet')")
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RuntimeError, match="built for another planet"):
        import_torchvision()
