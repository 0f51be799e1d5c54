"""Runs that are planned by their seeds are those that are composed one by one."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dropexp.config.compose import compose_run
from dropexp.config.groups import list_groups
from dropexp.config.identity import SplitIdentity, hash_identity
from dropexp.config.planned_runs import PlannedConfigs
from dropexp.errors import ConfigError
from dropexp.sweep.grammar import SweepRequest, compose_sweep
from dropexp.sweep.plan import make_plan, make_study

SEEDS = (0, 3, 2**63 - 1)
NEEDS_FILES = {
    "data=image_folder",
    "data=arrays",
    "data=custom",
    "model=custom",
    "model=torchvision",
    "regulariser=custom",
}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text('#"\\aé'),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text('#"a'), inner, max_size=2),
    max_leaves=6,
)


@given(
    data=st.dictionaries(st.text("#seda"), values, max_size=3),
    others=st.dictionaries(st.text("#seda"), values, max_size=3),
    number=st.integers(0, 2**63),
    follows=st.booleans(),
)
def test_a_split_identity_hashes_as_the_whole_one(
    data: dict[str, Any], others: dict[str, Any], number: int, follows: bool
) -> None:
    def fill(seed: int) -> Mapping[str, Any]:
        return {**others, "data": {**data, "seed": seed if follows else 7}, "seed": seed}

    keys = ["seed", "data.seed"] if follows else ["seed"]
    assert SplitIdentity(fill(0), keys).hash(number) == hash_identity(fill(number))


def check_sweep(*words: str) -> SweepRequest:
    """Compare the runs of a sweep over seeds with those that are composed alone."""
    request = compose_sweep([*words, f"seed={','.join(map(str, SEEDS))}"])
    alone = [compose_run([*words, f"seed={seed}"]) for seed in SEEDS]
    planned = request.configs
    assert isinstance(planned, PlannedConfigs)
    assert list(planned) == alone
    assert [run.run_id for run in planned.runs] == [config.run_id for config in alone]
    assert [run.config_hash for run in planned.runs] == [config.config_hash for config in alone]
    assert [config.config_hash for config in planned] == [config.config_hash for config in alone]
    assert [config.to_mapping() for config in planned] == [config.to_mapping() for config in alone]
    return request


@pytest.mark.parametrize(
    "words",
    [["regulariser=dropout2d", "p=0.25"], ["data.seed=3", "device=cpu"], ["data.seed=${seed}"]],
)
def test_the_runs_of_a_setting_are_those_that_are_composed(words: list[str]) -> None:
    assert len(check_sweep(*words).planned.one_of_each_setting) == 1


def test_runs_in_which_another_field_follows_the_seed_are_composed_one_by_one() -> None:
    request = compose_sweep(["train.epochs=${seed}", "seed=1,2,3"])
    assert [config.train.epochs for config in request.configs] == [1, 2, 3]
    assert len(request.planned.one_of_each_setting) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "word",
    [
        word
        for group, choices in list_groups().items()
        for choice in choices
        if (word := f"{group}={choice}") not in NEEDS_FILES and not group.startswith("hydra")
    ],
)
def test_the_runs_of_each_config_group_are_those_that_are_composed(word: str) -> None:
    check_sweep(word)


@pytest.mark.parametrize("seeds", ["0,-1", "a,0", "0,true", f"0,{2**63}", "1.5,0"])
def test_a_seed_that_is_not_allowed_is_refused_as_alone(seeds: str) -> None:
    bad = next(seed for seed in seeds.split(",") if seed != "0")
    with pytest.raises(ConfigError) as alone:
        compose_run([f"seed={bad}"])
    with pytest.raises(ConfigError) as swept:
        compose_sweep([f"seed={seeds}"])
    assert str(swept.value) == str(alone.value)


@pytest.mark.parametrize("data_seed", ["", "data.seed=0,1", "data.seed=1"])
def test_a_lazy_plan_is_the_eager_one(data_seed: str, tmp_path: Path) -> None:
    words = ["regulariser=none,dropout2d", "p=0.1,0.3", "seed=1,1.0,0", f"runs_dir={tmp_path}"]
    request = compose_sweep([*words, *filter(None, [data_seed])])
    eager = replace(request, configs=tuple(request.configs))
    assert make_study(request) == make_study(eager)
    plan, other = make_plan(request.configs, tmp_path), make_plan(eager.configs, tmp_path)
    assert plan.statuses == other.statuses
    lazily, eagerly = (each.select_to_launch(retry_failed=True) for each in (plan, other))
    assert lazily == eagerly
    assert [config.run_id for config in lazily] == [config.run_id for config in eagerly]
    moved = request.planned.move(study="other")
    assert list(moved) == [c.model_copy(update={"study": "other"}) for c in request.configs]
    assert moved[1:] == list(moved)[1:]
