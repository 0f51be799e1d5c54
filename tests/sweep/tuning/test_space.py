"""Overrides with intervals become a space, checked before any run."""

import pytest

from dropexp.config.overrides import Interval
from dropexp.errors import ConfigError
from dropexp.sweep.tuning.candidates import Choices, Dimension
from dropexp.sweep.tuning.space import parse_request

P = Dimension("p", Interval(0.05, 0.7))


def test_without_overrides_the_regularisers_of_the_design_card_are_tuned_on_digits() -> None:
    request = parse_request([])
    names = ["dropout2d", "spatial_dropout", "dropconnect", "stochastic_depth"]
    assert list(request.space.branches) == names
    assert set(request.space.branches.values()) == {(P,)}
    assert request.first_seed == 0
    (reference,) = request.compose_reference([0])
    assert (reference.data.name, reference.regulariser.name) == ("digits", "none")


@pytest.mark.slow
def test_all_runs_have_the_residual_branch_that_one_regulariser_needs() -> None:
    request = parse_request([])
    for name in request.space.branches:
        candidate = request.space.make_candidate(name, {"p": 0.3})
        (config,) = request.compose(candidate, [3])
        (baseline,) = request.compose_baseline(candidate, [3])
        assert config.regulariser.p == 0.3
        assert config.model == baseline.model
        assert config.to_mapping()["model"]["shortcut"] is True
        assert baseline == request.compose_reference([3])[0]
    without = parse_request(["regulariser=dropout2d"]).compose_reference([0])[0]
    assert without.to_mapping()["model"]["shortcut"] is False


def test_dimensions_of_only_some_regularisers_are_theirs_alone() -> None:
    request = parse_request(
        [
            "regulariser=none,dropblock,dropconnect",
            "regulariser.block_size=3,5",
            "regulariser.inference=gaussian",
            "optimiser.weight_decay=tag(log,interval(1e-5,1e-2))",
        ]
    )
    decay = Dimension("optimiser.weight_decay", Interval(1e-5, 1e-2, is_log=True))
    block = Dimension("regulariser.block_size", Choices(("3", "5")))
    assert set(request.space.branches["dropconnect"]) == {P, decay}
    assert set(request.space.branches["dropblock"]) == {P, decay, block}
    values: dict[str, float | str] = {"p": 0.3, decay.key: 1e-3, block.key: "5"}
    candidate = request.space.make_candidate("dropconnect", values)
    (config,) = request.compose(candidate, [0])
    assert config.to_mapping()["regulariser"]["inference"] == "gaussian"
    (baseline,) = request.compose_baseline(candidate, [0])
    (reference,) = request.compose_reference([0])
    assert baseline.to_mapping()["optimiser"]["weight_decay"] == 1e-3
    assert reference.to_mapping()["optimiser"]["weight_decay"] == 0
    assert set(request.list_overrides(candidate)) == {
        "regulariser=dropconnect",
        "p=0.3",
        "optimiser.weight_decay=0.001",
        "regulariser.inference=gaussian",
    }


def test_an_interval_of_a_whole_number_stays_whole() -> None:
    request = parse_request(["regulariser=dropout", "p=0.3", "model.width=interval(8,64)"])
    width = Dimension("model.width", Interval(8, 64, is_integer=True))
    assert request.space.branches["dropout"] == (width,)
    candidate = request.space.make_candidate("dropout", {"model.width": 20.4})
    assert request.compose(candidate, [0])[0].to_mapping()["model"]["width"] == 20


def test_the_seed_is_that_of_the_search() -> None:
    assert parse_request(["seed=7"]).first_seed == 7


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ("regulariser=dropout2d p=0.3", "one setting only, dropout2d, and nothing to choose"),
        ("regulariser=none", "none is the baseline; add a regulariser"),
        ("p=interval(0.1,1.5)", "p=1.5 is not allowed"),
        ("p=interval(0.5,0.1)", "its ends must be numbers"),
        ("seed=1,2", "dropexp tune adds seeds by itself"),
        ("seed=interval(1,2)", "dropexp tune adds seeds by itself"),
        ("data=digits,mnist", "losses on different data cannot be compared"),
        ("data.train_size=interval(100,200)", "losses on different data cannot be compared"),
        ("device=cpu,cuda", "device does not make another run"),
        ("regulariser=dropuot", "Did you mean dropout"),
        ("regulariser.block=1,2", "regulariser.block is not a key of this configuration"),
        ("model.widht=interval(1,2)", "model.widht is not a key of this configuration"),
        ("study=quick", "study=quick is a ready sweep"),
        ("force=true", "a search resumes from its finished runs"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_a_sentence(overrides: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_request(overrides.split())
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1
