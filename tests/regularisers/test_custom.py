"""Noise of the user's: served to the model, audited, and refused where it is not what it says."""

import pytest
import torch
from torch import Tensor, nn

from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError
from dropexp.regularisers import Dropout2d, Regulariser, SpatialDropout2d, find_noise_modules
from dropexp.training.audit_report import AuditReport
from dropexp.training.build import audit_model, build_model
from dropexp.training.loop import train
from tests.builders import build_parts, compose_tiny

HERE = "tests.regularisers.test_custom"


class PlainDropout(nn.Module):
    """As people write it: drops single activations; options may make it wrong."""

    def __init__(self, p: float, fault: str = "", axes: int = 4) -> None:
        super().__init__()
        self.p, self.fault, self.axes = p, fault, axes

    def forward(self, x: Tensor) -> Tensor:
        if self.fault == "off" or self.p == 0:
            return x
        if not self.training and self.fault != "on in eval":
            return x
        shape = [size if axis < self.axes else 1 for axis, size in enumerate(x.shape)]
        keep = (torch.rand(shape) >= self.p).to(x.dtype)
        return x * keep if self.fault == "unscaled" else x * keep / (1 - self.p)


class Own(Regulariser):
    """A Regulariser of the user's: dropout of channels, or of positions, in maps only."""

    name = "own"
    needs = "activations of maps"

    def __init__(self, p: float, wide: bool = False) -> None:
        super().__init__(p)
        self.wide = wide

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        return (SpatialDropout2d if self.wide else Dropout2d)(self.p) if spatial else nn.Identity()


class Unmeasurable(Own):
    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        return PlainDropout(self.p)


class WithoutP(nn.Module):
    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()


class Hidden(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(p)


def compose(name: str, *overrides: str, p: float = 0.3) -> RunConfig:
    chosen = ("regulariser=custom", f"regulariser.target={HERE}:{name}", f"p={p}")
    return compose_tiny(*chosen, *overrides)


def audit(name: str, *overrides: str, p: float = 0.3) -> AuditReport:
    config = compose(name, *overrides, p=p)
    _, splits, _, _ = build_parts()
    return audit_model(config, splits, build_model(config, splits))


@pytest.mark.parametrize("axes", [0, 1, 2, 4])
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_noise_of_any_shape_passes_the_audit(axes: int, p: float) -> None:
    report = audit("PlainDropout", f"+regulariser.options.axes={axes}", p=p)
    assert report.passed, report.summarise()
    assert set(report.sites.values()) == {p}


@pytest.mark.parametrize("fault", ["off", "unscaled", "on in eval"])
@pytest.mark.parametrize("p", [0.1, 0.5])
def test_noise_that_is_wrong_fails_the_audit(fault: str, p: float) -> None:
    assert not audit("PlainDropout", f"+regulariser.options.fault='{fault}'", p=p).passed


def test_a_regulariser_of_the_users_is_asked_at_each_site() -> None:
    assert audit("Own").passed
    config = compose("Own", "+regulariser.options.wide=true")
    _, splits, _, _ = build_parts()
    noises = find_noise_modules(build_model(config, splits))
    assert {type(noise) for noise in noises.values()} == {SpatialDropout2d}
    assert {noise.kind for noise in noises.values()} == {"custom"}
    assert Dropout2d(0.1).kind == "dropout2d"


def test_schedules_over_depth_and_time_set_its_p() -> None:
    schedule = ("regulariser.depth_schedule=linear", "regulariser.time_schedule=linear_down")
    target = f"regulariser.target={HERE}:PlainDropout"
    _, _, state, plan = build_parts("regulariser=custom", target, "p=0.4", *schedule)
    assert sorted(plan.full_p.values()) == pytest.approx([0.2, 0.4])
    seen = []
    for _ in train(state, plan):
        seen.append(sorted(noise.p for noise in find_noise_modules(state.model).values()))
    assert seen[0] == pytest.approx([0.2, 0.4])
    assert seen[-1] < seen[0]


def test_it_can_be_combined_and_its_source_is_part_of_the_identity() -> None:
    config = compose_tiny(
        "regulariser=custom+mixup",
        f"regulariser.custom.target={HERE}:PlainDropout",
        "regulariser.custom.p=0.2",
        "regulariser.mixup.p=1",
    )
    (own, _) = sorted(config.parts, key=lambda part: part.name)
    assert own.name == "custom"
    assert len(own.fingerprint or "") == 12
    _, splits, _, _ = build_parts()
    report = audit_model(config, splits, build_model(config, splits))
    assert report.passed, report.summarise()


@pytest.mark.parametrize(
    ("name", "overrides", "words"),
    [
        ("WithoutP", [], ["takes no p"]),
        ("Hidden", [], ["no attribute p", "self.p"]),
        ("Unmeasurable", [], ["activation site", "PlainDropout", "no dropexp Noise"]),
        ("Absent", [], ["regulariser.target=", "has no Absent"]),
        ("PlainDropout", ["+regulariser.options.q=1"], ["regulariser.options.q is not an arg"]),
    ],
)
def test_a_class_that_does_not_fit_is_explained(
    name: str, overrides: list[str], words: list[str]
) -> None:
    config = compose(name, *overrides)
    _, splits, _, _ = build_parts()
    with pytest.raises(ConfigError) as error:
        build_model(config, splits)
    assert all(word in str(error.value) for word in words), error.value
