"""A sweep's configs are those that train would compose, one for each combination of values."""

from itertools import product
from pathlib import Path

import pytest
import yaml

from dropexp.config.compose import compose_run
from dropexp.config.groups import find_conf_dir, list_studies
from dropexp.config.overrides import parse_overrides
from dropexp.config.setting import extract_setting, name_settings
from dropexp.errors import ConfigError
from dropexp.runs.study_question import StudyQuestion
from dropexp.sweep.grammar import compose_parsed_sweep, compose_sweep, replace_seeds
from tests.builders import ask_for_study
from tests.conftest import Dropexp

COMBINATIONS = {
    "regulariser": ["none", "dropconnect", "stochastic_depth"],
    "p": ["0.1", "0.5"],
    "optimiser.lr": ["0.1", "1e-3"],
    "data.train_size": ["0.5", "null"],
    "seed": ["3"],
}


def test_every_combination_is_what_train_composes() -> None:
    swept = compose_sweep([f"{key}={','.join(values)}" for key, values in COMBINATIONS.items()])
    keys, values = zip(*COMBINATIONS.items(), strict=True)
    alone = {
        compose_run([f"{key}={value}" for key, value in zip(keys, chosen, strict=True)])
        for chosen in product(*values)
        if chosen[0] != "none" or chosen[1] == "0.1"  # none has no p
    }
    assert set(swept.configs) == alone
    assert len(swept.configs) + swept.duplicates == 3 * 2 * 2 * 2


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["seed=range(3)"], [0, 1, 2]),
        (["seed=range(1,8,3)"], [1, 4, 7]),
        (["seed=choice(5,2)"], [2, 5]),
        (["seed=sort(3,1,2)"], [1, 2, 3]),
        (["seed=1", "seed=4,5"], [4, 5]),
        (["++seed=1,2"], [1, 2]),
    ],
)
def test_the_grammar_is_hydras(words: list[str], values: list[int]) -> None:
    assert [config.seed for config in compose_sweep(words).configs] == values


def test_groups_can_be_swept_by_pattern() -> None:
    found = compose_sweep(["regulariser=glob(dropo*)"]).configs
    assert {c.regulariser.name for c in found} == {"dropout", "dropout2d"}


def test_lists_are_values_too() -> None:
    found = compose_sweep(["model=mlp", "model.hidden=[8],[8,4],[16]"]).configs
    assert [config.model.model_dump()["hidden"] for config in found] == [(8,), (8, 4), (16,)]


def test_a_sweep_of_schedules_has_a_switch_where_it_is_needed_only() -> None:
    words = ["regulariser=dropout2d", "regulariser.time_schedule=constant,early,late"]
    found = compose_sweep([*words, "regulariser.switch_after=3,5"])
    schedules = [
        (part.time_schedule, part.switch_after)
        for config in found.configs
        for part in config.parts
        if part.name == "dropout2d"
    ]
    assert sorted(schedules, key=str) == [
        ("constant", None),
        ("early", 3),
        ("early", 5),
        ("late", 3),
        ("late", 5),
    ]
    told = [extract_setting(config.to_mapping()) for config in found.configs]
    assert name_settings(told)[0] == "dropout2d p=0.5 regulariser.time_schedule=constant"
    with pytest.raises(ConfigError, match="switch_after"):
        compose_sweep(["regulariser=dropout2d", "regulariser.switch_after=3"])


def test_an_option_of_one_regulariser_is_left_out_for_the_others() -> None:
    words = ["regulariser=none,dropconnect", "p=0.3", "seed=0,1"]
    found = compose_sweep([*words, "regulariser.mask=example,batch"])
    masks = [getattr(config.regulariser, "mask", None) for config in found.configs]
    assert masks == [None, "example", "batch"] * 2
    assert found.duplicates == 0


def test_an_option_of_no_swept_regulariser_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"regulariser\.mask"):
        compose_sweep(["regulariser=none,dropout2d", "regulariser.mask=batch"])


def test_classics_are_swept_one_at_a_time_or_beside_regularisers() -> None:
    words = ["regulariser=none,dropout2d", "p=0.3", "classic=none,weight_decay,early_stopping"]
    found = compose_sweep(words)
    alone = {
        compose_run([f"regulariser={name}", "p=0.3", f"classic={classic}"])
        for name in ("none", "dropout2d")
        for classic in ("none", "weight_decay", "early_stopping")
    }
    assert set(found.configs) == alone
    assert len(alone) == 6
    assert found.run_overrides == tuple(words)


def test_an_option_of_one_classic_is_left_out_for_the_others() -> None:
    words = ["classic=none,weight_decay,early_stopping", "train.early_stopping.patience=2,3"]
    found = compose_sweep([*words, "optimiser.weight_decay=1e-3,1e-2"]).configs
    on = [(c.optimiser.weight_decay, c.train.early_stopping) for c in found]
    assert [decay for decay, stopping in on if stopping is None] == [0.0, 0.001, 0.01]
    assert [(d, s.patience) for d, s in on if s is not None] == [(0.0, 2), (0.0, 3)]


def test_an_option_beside_one_classic_is_for_all() -> None:
    found = compose_sweep(["classic=weight_decay", "optimiser.weight_decay=0,1e-3"]).configs
    assert [config.optimiser.weight_decay for config in found] == [0.0, 0.001]
    found = compose_sweep(["classic=none,weight_decay", "train.label_smoothing=0.1"]).configs
    assert {config.train.label_smoothing for config in found} == {0.1}


def test_what_follows_the_seed_follows_it_in_each_run() -> None:
    assert [c.data.seed for c in compose_sweep(["seed=3,4"]).configs] == [3, 4]
    assert [c.data.seed for c in compose_sweep(["seed=3,4", "data.seed=0"]).configs] == [0, 0]


def test_all_settings_of_a_seed_come_before_the_next_seed() -> None:
    found = compose_sweep(["seed=1,0", "regulariser=none,dropout2d", "p=0.1,0.2"]).configs
    assert [config.seed for config in found] == [0, 0, 0, 1, 1, 1]
    assert [c.run_id.split("-s")[0] for c in found[:3]] == [
        c.run_id.split("-s")[0] for c in found[3:]
    ]


def test_none_at_several_p_is_one_run() -> None:
    found = compose_sweep(["regulariser=none", "p=0.1,0.2,0.3"])
    assert (len(found.configs), found.duplicates) == (1, 2)


@pytest.mark.parametrize("word", ["device=cpu,cuda", "threads=1,2", "force=true,false"])
def test_what_makes_no_other_run_cannot_be_swept(word: str) -> None:
    with pytest.raises(ConfigError, match="several values"):
        compose_sweep([word])


@pytest.mark.parametrize("name", list_studies())
def test_a_ready_study_says_what_it_asks_and_compares_with_none(name: str, tmp_path: Path) -> None:
    text = (find_conf_dir() / "study" / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.splitlines()[1].startswith("# ")
    plain = yaml.safe_load(text)
    # extend repeats a study by its words alone, so nothing else may make it what it is.
    assert plain.keys() <= {"hydra", "question"}
    assert all(isinstance(value, str) for value in plain["hydra"]["sweeper"]["params"].values())
    request = compose_sweep(ask_for_study(name, tmp_path))
    assert {config.study for config in request.configs} == {name}
    by_surroundings: dict[str, set[str]] = {}
    for config in request.configs:
        plain = config.to_mapping()
        regulariser = plain.pop("regulariser")["name"]
        plain.pop("p")
        plain["model"].pop("dropout_site", None)  # without noise it is nowhere
        by_surroundings.setdefault(str(plain), set()).add(regulariser)
    if name == "double_descent":  # of the sizes of a network, without noise
        assert len(by_surroundings) > 1
        return
    assert all("none" in names and len(names) > 1 for names in by_surroundings.values())


def test_a_ready_study_can_be_overridden() -> None:
    request = compose_sweep(["study=quick", "p=0.4", "seed=9", "train.epochs=1"])
    assert {c.regulariser.p for c in request.configs} == {0.0, 0.4}
    assert {(c.seed, c.train.epochs) for c in request.configs} == {(9, 1)}


def test_the_overrides_of_a_study_ask_for_the_same_runs_again() -> None:
    request = compose_sweep(["study=p_curve", "seed=range(2)", "model.width=8"])
    again = compose_sweep(list(request.run_overrides))
    assert [c.run_id for c in again.configs] == [c.run_id for c in request.configs]
    other = compose_parsed_sweep(replace_seeds(parse_overrides(request.run_overrides), [7]))
    assert {config.seed for config in other.configs} == {7}
    assert len(other.configs) * 2 == len(request.configs)


def test_launcher_overrides_make_no_difference_to_the_runs() -> None:
    plain = compose_sweep(["seed=1"])
    words = ["hydra/launcher=ray", "hydra.launcher.ray.remote.num_cpus=2"]
    launched = compose_sweep(["seed=1", *words])
    assert launched.configs == plain.configs
    assert launched.run_overrides == plain.run_overrides
    assert [override.text for override in launched.launcher] == words


def test_a_study_file_is_a_sweep_with_a_question(tmp_path: Path) -> None:
    path = tmp_path / "my-study.yaml"
    path.write_text(
        "question: {metric: test_acc, margin: 0.01}\n"
        "hydra: {sweeper: {params: {regulariser: 'none,dropout2d', p: 0.3, seed: range(3)}}}\n"
    )
    request = compose_sweep([f"study={path}", "seed=range(2)"])
    assert request.study == "my-study"
    assert {config.study for config in request.configs} == {"my-study"}
    assert len(request.configs) == 4
    assert request.question == StudyQuestion(metric="test_acc", margin=0.01)
    assert request.run_overrides == ("regulariser=none,dropout2d", "p=0.3", "seed=range(2)")


def test_a_study_file_with_a_wrong_question_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("question: {metric: acc}\nhydra: {sweeper: {params: {seed: '0,1'}}}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: metric acc is unknown"):
        compose_sweep([f"study={path}"])


@pytest.mark.slow
def test_ten_thousand_settings_are_planned(dropexp: Dropexp) -> None:
    p = ",".join(f"{number / 1000:g}" for number in range(1, 501))
    others = ("train.batch_size=8,16,24,32,40", "optimiser.lr=0.1,0.2,0.3,0.4")
    done = dropexp("sweep", "regulariser=none,dropout2d", f"p={p}", *others, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "10,020 runs: " in done.stdout


def test_a_key_without_a_default_belongs_to_its_own_regulariser_only() -> None:
    target = "regulariser.target=tests.regularisers.custom_noises:Rows"
    request = compose_sweep(["regulariser=none,custom", target, "p=0.1,0.3"])
    assert [config.regulariser.name for config in request.configs] == ["none", "custom", "custom"]
