"""torch.compile, CUDA graphs and tf32: where they are refused, and that resuming stays exact."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from dropexp.errors import ConfigError, DropexpError
from dropexp.training.checkpoint import restore, take_snapshot, to_bytes
from dropexp.training.compiling import prepare_forward, refuse_unavailable
from dropexp.training.environment import configure_torch
from dropexp.training.loop import train
from tests.builders import build_parts, compose_tiny, hash_tensors, without_seconds

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
GRAPHS = ("train.compile=true", "train.cuda_graphs=true")


@pytest.fixture(autouse=True)
def settings_are_put_back() -> Iterator[None]:
    # 3 s, which other test processes do not need.
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    deterministic = torch.get_deterministic_debug_mode()
    names = ("specialize_float", "recompile_limit", "accumulated_recompile_limit")
    with (
        dynamo.patch({name: getattr(dynamo, name) for name in names}),
        inductor.patch(fallback_random=inductor.fallback_random),
    ):
        yield
    configure_torch(CPU, 1, None)
    torch.set_deterministic_debug_mode(deterministic)


@pytest.mark.parametrize(
    ("overrides", "device", "words"),
    [
        (["precision=tf32"], CPU, "precision=tf32 needs a CUDA device.*would train on cpu"),
        (GRAPHS, CPU, "train.cuda_graphs=true needs a CUDA device.*train.cuda_graphs=false"),
        (["train.compile=true"], CPU, r"needs a C\+\+ compiler.*install g\+\+"),
        (["train.compile=true"], CUDA, "pip install triton"),
    ],
)
def test_what_the_device_lacks_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, overrides: list[str], device: torch.device, words: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("dropexp.training.compiling.find_spec", lambda name: None)
    with pytest.raises(DropexpError, match=words):
        refuse_unavailable(compose_tiny(*overrides), device)
    refuse_unavailable(compose_tiny(), device)


def test_graphs_without_compiling_are_refused_and_both_are_part_of_the_id() -> None:
    with pytest.raises(ConfigError, match=r"cuda_graphs=True is not allowed: it needs train\.comp"):
        compose_tiny("train.cuda_graphs=true")
    plain, compiled, graphs = (compose_tiny(*each) for each in ((), GRAPHS[:1], GRAPHS))
    assert len({plain.run_id, compiled.run_id, graphs.run_id}) == 3
    assert compose_tiny("train.compile=false").run_id == plain.run_id


def test_only_tf32_lets_a_gpu_round_the_factors_of_products() -> None:
    for precision in ("tf32", "bfloat16", "float32"):
        configure_torch(CPU, 1, False, precision)
        is_rounded = precision == "tf32"
        assert torch.backends.cuda.matmul.allow_tf32 is is_rounded
        assert torch.backends.cudnn.allow_tf32 is is_rounded


def test_each_step_of_a_cuda_graph_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def compile_nothing(model: nn.Module, **options: Any) -> nn.Module:
        calls.append(options)
        return model

    monkeypatch.setattr(torch, "compile", compile_nothing)
    monkeypatch.setattr(
        torch.compiler, "cudagraph_mark_step_begin", lambda: calls.append("step begins")
    )
    model = nn.Linear(2, 3)
    assert prepare_forward(compose_tiny().train, model) is model
    assert prepare_forward(compose_tiny("train.compile=true").train, model) is model
    forward = prepare_forward(compose_tiny(*GRAPHS).train, model)
    forward(torch.ones(1, 2))
    assert calls == [
        {"dynamic": False, "mode": None},
        {"dynamic": False, "mode": "reduce-overhead"},
        "step begins",
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's compiler
def test_a_compiled_run_is_resumed_exactly_also_with_a_schedule_of_p() -> None:
    """The resuming process compiles for the second p first; the other one for the first p."""
    overrides = [
        *("regulariser=dropout2d", "p=0.3", "regulariser.time_schedule=linear_up"),
        *("train.compile=true", "train.epochs=3", "data.train_size=64"),
    ]
    torch.compiler.reset()
    config, _, whole, plan = build_parts(*overrides)
    snapshots = [to_bytes(take_snapshot(whole, config.config_hash)) for _ in train(whole, plan)]
    torch.compiler.reset()  # as in another process
    _, _, again, plan = build_parts(*overrides)
    restore(again, snapshots[0], config.config_hash, CPU)
    list(train(again, plan))
    assert without_seconds(again.records) == without_seconds(whole.records)
    weights = [hash_tensors(*state.model.state_dict().values()) for state in (whole, again)]
    assert weights[0] == weights[1]
    *_, eager, plan = build_parts(*overrides, "train.compile=false")
    first = next(train(eager, plan))
    # Of one step, before any weight has changed: the masks are the same, only rounding differs.
    assert whole.records[0].noisy_train_loss == pytest.approx(first.noisy_train_loss, rel=1e-5)
    torch.compiler.reset()
