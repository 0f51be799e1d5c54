"""Noise of the user's: served to the model, audited, and refused where it is not what it says."""

import pytest

from dropexp.config.run_config import RunConfig
from dropexp.errors import ConfigError
from dropexp.regularisers import Dropout2d, SpatialDropout2d, find_noise_modules
from dropexp.training.audit_report import AuditReport
from dropexp.training.build import audit_model, build_model
from dropexp.training.loop import train
from tests.builders import build_parts, compose_tiny

NOISES = "tests.regularisers.custom_noises"
OWN = "tests.regularisers.own_regularisers"


def compose(name: str, *overrides: str, p: float = 0.3) -> RunConfig:
    module = OWN if name in ("Own", "Unmeasurable") else NOISES
    chosen = ("regulariser=custom", f"regulariser.target={module}:{name}", f"p={p}")
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
    target = f"regulariser.target={NOISES}:PlainDropout"
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
        f"regulariser.custom.target={NOISES}:PlainDropout",
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
        ("KeptElsewhere", ["+regulariser.options.kept='none'"], ["p=None", "self.p"]),
        ("KeptElsewhere", ["+regulariser.options.kept=percent"], ["p=30", "from 0 to below 1"]),
        ("KeptElsewhere", ["+regulariser.options.kept=buffer"], ["p=tensor(0.3", "self.p"]),
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


@pytest.mark.parametrize("p", [0.1, 0.8])
def test_draws_that_depend_on_each_other_are_no_reason_for_an_alarm(p: float) -> None:
    assert audit("Rows", p=p).passed


def test_maps_only_leaves_vectors_plain() -> None:
    _, splits, _, _ = build_parts()
    assert len(find_noise_modules(build_model(compose("Rows"), splits))) == 2
    with pytest.raises(ConfigError, match="acts on activations with height and width"):
        build_model(compose("Rows", "model=mlp", "model.hidden=[8]"), splits)


@pytest.mark.parametrize(
    ("fault", "why"),
    [("raises", "KeyError: 'mask'"), ("none", "returns NoneType"), ("other shape", "same shape")],
)
def test_noise_that_fails_in_the_network_is_explained(fault: str, why: str) -> None:
    with pytest.raises(ConfigError, match=rf"regulariser\.target=.*:Faulty .*{why}"):
        audit("Faulty", f"+regulariser.options.fault='{fault}'")
