"""Values that no study has are refused in a sentence, before anything of their size is made."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from dropexp.config.compose import compose_run
from dropexp.config.overrides import MOST_VALUES, parse_override
from dropexp.config.paths import parse_path
from dropexp.config.run_config import RunConfig
from dropexp.config.study_files import MOST_CHARACTERS
from dropexp.config.time_schedules import TIME_SCHEDULES, p_factor
from dropexp.errors import ConfigError
from tests.conftest import Dropexp, run_dropexp

HUGE = 10**26
LONG = "a" * 300
EXTRA_MEMORY = 256 * 2**20
"""Bytes that a refused command may allocate."""

MIXUP = ("regulariser=mixup", "p=0.5")

REFUSED = [
    (("train", f"train.batch_size={HUGE}"), f"train.batch_size={HUGE}", "at most 10,000,000"),
    (("train", "threads=99999999999999999999"), "threads=9999", "at most 1,024"),
    (("train", "threads=1e5"), "threads=100000", "at most 1,024"),
    (("train", "threads=1e9"), "threads=1000000000", "at most 1,024"),
    (("train", *MIXUP, "regulariser.alpha=1e-300"), "regulariser.alpha=1e-300", "at least 0.001"),
    (("train", *MIXUP, "regulariser.alpha=1e30"), "regulariser.alpha=1e+30", "at most 1000"),
    (("train", "=3"), "'=3' has no key", "key=value"),
    (("train", "="), "'=' has no key", "key=value"),
    (("train", "+p=0.3"), "+p=0.3", "write p=0.3."),
    (("sweep", "seed=range(0,1,0)"), "seed=range(0,1,0)", "step"),
    (("sweep", "p=range(0,1,0.0)"), "p=range(0,1,0.0)", "step"),
    (("sweep", "seed=range(0,1e9)"), "1,000,000,000 values", "at most 100,000"),
    (("sweep", "seed=range(1000000)"), "1,000,000 values", "at most 100,000"),
    (("sweep", "seed=range(0,-1e300,-1e-300)"), "over 1,000,000,000,000 values", "at most 100,000"),
    (("sweep", "seed=shuffle(range(10000000000))"), "10,000,000,000 values", "at most 100,000"),
    (("sweep", "seed=range(0,inf)"), "seed=range(0,inf)", "finite"),
    (("sweep", "p=range(0,1,1e-4)", "seed=range(100)"), "p: 10,000, seed: 100", "at most 100,000"),
    (("train", "runs_dir='~nobody9/x'"), "runs_dir=~nobody9/x", "write the whole path"),
    (("sweep", "runs_dir='~nobody9/x'"), "runs_dir=~nobody9/x", "write the whole path"),
    (("compare", "--runs-dir", "~nobody9/x"), "--runs-dir ~nobody9/x", "write the whole path"),
    (("runs", "--runs-dir", "ä" * 400), "--runs-dir ää", "800 bytes"),
    (("train", f"runs_dir={'r' * 256}"), "runs_dir=rr", "256 bytes"),
    *(
        (("train", f"train.epochs={epochs}"), "train.epochs=1", "at most 1,000,000")
        for epochs in ("1e18", "1e12", "1e8")
    ),
    *(
        (("sweep", "seed=0,1", f"hydra.launcher.n_jobs={n}"), f"n_jobs={n}", "-1 for all cores")
        for n in ("100000", "abc", "nan", "1e+18", "0", "2.5")
    ),
    (("sweep", "hydra.launcher.n_jobs=-2000"), "n_jobs=-2000", "leaves no core"),
    (("sweep", "hydra.launcher.backend=nope"), "hydra.launcher.backend=nope", "it has n_jobs"),
    (("train", "mc_dropout=1e18"), "mc_dropout=1000000000000000000", "at most 100,000"),
    (("train", "data.train_size=nan"), "data.train_size=nan", "finite"),
    (("train", "data.train_size=inf"), "data.train_size=inf", "finite"),
    (("train", "data.train_size=1e300"), "data.train_size=1e+300", "at most 1,000,000,000"),
    (("train", "data.val_size=nan"), "data.val_size=nan", "finite"),
    (("train", "data.val_size=abc"), "data.val_size=abc", "a number"),
    (("train", f"p={'9' * 5000}"), "p=9999", "thousands of digits"),
    (("train", f"p={'[' * 3000}{']' * 3000}"), "p=[[[[", "nested too deep"),
    (("train", "seed=${seed}"), "seed: ", "interpolation"),
    (("train", f"p={'[' * 300}"), "p=[[[[", "quote the value"),
    (("train", f"{'a.' * 5000}a=1"), "a.a.a.a", "is not a key"),
    (("train", f"seed={HUGE}"), f"seed={HUGE}", "below 9,223,372,036,854,775,808"),
    (("train", "seed=1e30"), "seed=1e+30", "below 9,223,372,036,854,775,808"),
    (("train", "model.width=1e9"), "model.width=1000000000", "at most 10,000"),
    (("train", "model=mlp", "model.hidden=[1000000000]"), "model.hidden", "at most 1,000,000"),
    (("train", "model=resnet", "model.depth=600000002"), "model.depth", "at most 10,000"),
    (("train", f"study={LONG}"), "study=aa", "at most 150 characters"),
    (("sweep", f"study={LONG}"), "study=aa", "at most 150 characters"),
    (("tune", f"study={LONG}"), "study=aa", "at most 150 characters"),
    (("study", "register", LONG), "study=aa", "at most 150 characters"),
    (("extend", "quick", "--seeds", "+99999999999"), "--seeds +99999999999", "to +10,000"),
    (("sweep", "--until-decided", "--most-seeds", "9999999999"), "--most-seeds 99", "1 to 10,000"),
]


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Let this process allocate little more than it has; what is larger raises MemoryError."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    now = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + EXTRA_MEMORY, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize(("arguments", "field", "allowed"), REFUSED)
def test_a_value_beyond_its_bounds_is_refused_by_name(
    arguments: tuple[str, ...],
    field: str,
    allowed: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dropexp.sweep.run_process.start_fork_server", lambda: None)
    done = run_dropexp(tmp_path, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert field in done.stderr
    assert allowed in done.stderr
    assert len(done.stderr) < 400, "a value of thousands of digits is cut"
    assert not list(tmp_path.rglob("*-s*")), "no run is begun"


def test_the_real_command_refuses_them_in_time(dropexp_process: Dropexp) -> None:
    done = dropexp_process("train", "train.epochs=1e18")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: train.epochs=1e+18 is not allowed: it must be at most")


def test_what_a_study_may_ask_for_is_allowed() -> None:
    asked = ("train.epochs=1e6", "train.batch_size=1e7", "threads=1024", "mc_dropout=1e5")
    config = compose_run([*asked, f"study={'a' * MOST_CHARACTERS}", "seed=9223372036854775807"])
    assert (config.train.epochs, config.threads, config.seed) == (10**6, 1024, 2**63 - 1)
    values = parse_override(f"seed=range({MOST_VALUES})").values
    assert (len(values), values[-1]) == (MOST_VALUES, MOST_VALUES - 1)


def test_a_path_at_the_limit_is_a_path() -> None:
    assert parse_path("x/" + "r" * 255, "runs_dir=…") == Path("x", "r" * 255)
    assert parse_path("~/x", "runs_dir=~/x") == Path.home() / "x"


@pytest.mark.parametrize("schedule", TIME_SCHEDULES)
@pytest.mark.parametrize("epochs", [1, 2, 3, 7])
def test_a_schedule_has_its_extremes_at_its_ends(schedule: str, epochs: int) -> None:
    # So the check of schedules need not visit a million epochs.
    for switch in (1, 2, 6, 9):
        factors = [p_factor(schedule, epoch, epochs, switch) for epoch in range(1, epochs + 1)]  # type: ignore[arg-type]
        ends = (factors[0], factors[-1])
        assert (max(factors), min(factors)) == (max(ends), min(ends))


def test_the_text_of_a_value_means_that_value() -> None:
    for text in ("p=range(0,1,0.1)", "k='x y',b,1,1.5,true,null,[1,'q r'],{a:1}", "k=sort(3,1)"):
        override = parse_override(text)
        assert [one.value for one in override.split()] == list(override.values)
        assert [parse_override(one.text).value for one in override.split()] == list(override.values)


def test_a_long_training_is_checked_at_once() -> None:
    late = ("regulariser=dropout2d", "regulariser.time_schedule=late")
    config = compose_run([*late, "train.epochs=1000000", "regulariser.switch_after=999999"])
    assert isinstance(config, RunConfig)
    with pytest.raises(ConfigError, match="never be on"):
        compose_run([*late, "train.epochs=1000000", "regulariser.switch_after=1000000"])
