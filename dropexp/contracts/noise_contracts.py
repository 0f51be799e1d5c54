"""The contract tests that ``pytest --dropexp-contracts TARGET`` runs."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import yaml

from dropexp.contracts import checks
from dropexp.contracts.network import MakeNetwork, make_images, make_network
from dropexp.regularisers import CustomRegulariser, find_noise_modules
from dropexp.training.audit import audit


@pytest.fixture
def make(dropexp_target: str) -> MakeNetwork:
    """Return what makes the network with the class of the target."""
    target, *words = dropexp_target.split()
    options: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        options[key] = yaml.safe_load(value)
    return lambda p: make_network(lambda: CustomRegulariser(p, target, options))


def test_it_fills_a_site_with_the_p_that_it_is_given(make: MakeNetwork) -> None:
    noises = find_noise_modules(make(0.3))
    assert noises, "it fills no site of the network"
    assert {noise.p for noise in noises.values()} == {0.3}


def test_in_eval_mode_it_does_nothing(make: MakeNetwork) -> None:
    checks.check_evaluation(make)


@pytest.mark.parametrize("training", [True, False])
def test_at_p_0_it_does_nothing(make: MakeNetwork, training: bool) -> None:
    checks.check_p_of_zero(make, training=training)


CHECKS: list[Callable[[MakeNetwork], None]] = [
    checks.check_initial_weights,
    checks.check_seed,
    checks.check_modes,
    checks.check_changing_p,
    checks.check_drop_rate_and_expectation,
    checks.check_bfloat16,
    checks.check_deterministic_mode,
    checks.check_copies,
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_contract(make: MakeNetwork, check: Callable[[MakeNetwork], None]) -> None:
    check(make)


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_p_outside_its_range_is_refused(make: MakeNetwork, p: float) -> None:
    for noise in find_noise_modules(make(0.5)).values():
        with pytest.raises(ValueError, match="p="):
            noise.p = p
        assert noise.p == 0.5


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_audit_of_a_run_passes(make: MakeNetwork, p: float) -> None:
    torch.manual_seed(3)
    report = audit(make(p), make_network(), make_images(), {"custom": p}, "float32")
    if not report.passed:
        pytest.fail(f"the audit failed: {report.summarise()}", pytrace=False)
