"""torch.compile: the same law, and code that does not depend on p."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dropexp.regularisers import find_noise_modules
from tests.regularisers.networks import NOISY, network

# Mixing is torchvision's, which reads its random numbers back, and is no part of a model.
COMPILED = [
    (name, options) for name, options in NOISY if name not in ("mixup", "cutmix") and not options
] + [("dropconnect", {"mask": "batch"}), ("alpha_dropout", {"featurewise": True})]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's compiler


@pytest.mark.parametrize(("name", "options"), COMPILED)
def test_p_may_change_without_recompiling(name: str, options: dict[str, Any]) -> None:
    from torch._dynamo.testing import CompileCounter  # 3 s, which other test processes do not need

    torch.compiler.reset()
    torch.manual_seed(0)
    model, plain = network(name, 0.3, **options), network("none", 0)
    counter = CompileCounter()
    compiled: Any = torch.compile(model, backend=counter)
    x = torch.randn(16, 3, 6, 6)

    def outputs(p: float) -> Tensor:
        for noise in find_noise_modules(model).values():
            noise.p = p
        with torch.no_grad():
            return torch.stack([compiled(x) for _ in range(3)])

    for p in (0.3, 0.4, 0.5):  # a second value makes p a variable of the code
        outputs(p)
    before = counter.frame_count
    for p in (0.15, 0.6, 0.7):
        found = outputs(p)
        assert not torch.equal(found[0], found[1]), "noise is drawn anew for every pass"
    # How many rows stochastic depth keeps may be a case of its own: none, or all of them.
    assert counter.frame_count - before <= (2 if name == "stochastic_depth" else 0)
    with torch.no_grad():
        assert torch.allclose(outputs(0.0)[0], plain(x), atol=1e-5)
        model.eval()
        assert torch.allclose(outputs(0.5)[0], model(x), atol=1e-5)
    torch.compiler.reset()


@pytest.mark.parametrize("name", [name for name, options in COMPILED if not options])
def test_compiled_noise_has_the_same_law(name: str) -> None:
    """Mean and spread over many passes of the whole network, element by element."""
    torch.compiler.reset()
    torch.manual_seed(0)
    model = network(name, 0.4)
    model.norm.eval()  # statistics of a batch would mix the examples' noise
    compiled: Any = torch.compile(model, backend="eager")
    x = torch.randn(1, 3, 6, 6).repeat(4096, 1, 1, 1)
    with torch.no_grad():
        ours, expected = compiled(x).double(), model(x).double()
    for found, wanted in ((ours.mean(0), expected.mean(0)), (ours.std(0), expected.std(0))):
        assert torch.allclose(found, wanted, atol=6 * float(expected.std()) / 64, rtol=0.05)
    assert float(expected.std(0).max()) > 0
    torch.compiler.reset()
