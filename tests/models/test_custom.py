"""A user's own network class as model=custom."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from dropexp.config.fingerprints import fingerprint_source
from dropexp.errors import ConfigError
from dropexp.models import build_custom_model, get_notes
from dropexp.models.custom import build_any_network
from dropexp.regularisers import Regulariser, build, find_noise_modules
from tests.models.custom_networks import NET, ODD

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules into the current folder, and return their names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    numbers = itertools.count()
    before = set(sys.modules)

    def write_module(source: str) -> str:
        name = f"net_of_a_test_{next(numbers)}"
        Path(f"{name}.py").write_text(source)
        return name

    yield write_module
    for name in set(sys.modules) - before:
        if "of_a_test" in name:
            del sys.modules[name]


def build_custom(target: str, name: str = "none", **options: object) -> torch.nn.Module:
    return build_custom_model((1, 8, 8), 3, build(name, 0.3), target=target, **options)  # type: ignore[arg-type]


def test_a_class_gets_the_arguments_it_names_and_its_sites_are_found(write: Write) -> None:
    model = build_custom(f"{write(NET)}:Net", "dropout2d", options={"width": 6})
    assert model.get_parameter("head.weight").shape == (3, 6)
    assert list(find_noise_modules(model)) == ["conv.noise"]
    assert get_notes(model) == (
        "the network's own dropout is off (dropout)",
        "its head is left plain (head)",
    )


def test_a_class_that_takes_a_regulariser_announces_its_own_sites(write: Write) -> None:
    target = f"{write(NET)}:Announcing"
    model = build_custom(target, "dropout2d")
    assert list(find_noise_modules(model)) == ["noise"]
    assert not find_noise_modules(build_custom(target, "dropconnect"))
    with pytest.raises(ConfigError, match="announces its own"):
        build_custom(target, "dropout2d", sites=["conv"])


def test_a_function_with_keyword_options_is_accepted(write: Write) -> None:
    model = build_custom(f"{write(NET)}:build_net", options={"width": 5})
    assert model.get_parameter("conv.weight").shape == (5, 1, 3, 3)


def test_a_function_that_hides_num_classes_in_its_keywords_says_how_to_give_it(
    write: Write,
) -> None:
    """As timm's create_model does."""
    target = f"{write(NET)}:build_by_keywords"
    with pytest.raises(ConfigError, match=r"one logit .*: give \+model\.options\.num_classes=4 "):
        build_custom_model((1, 8, 8), 4, Regulariser(), target=target)
    given = build_custom_model(
        (1, 8, 8), 4, Regulariser(), target=target, options={"num_classes": 4}
    )
    assert given.get_parameter("head.weight").shape == (4, 4)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("Nte", {}, r"has no Nte\. Did you mean Net\?"),
        ("Net", {"widht": 3}, r"model\.options\.widht is not an argument.*Did you mean width"),
        ("Needs", {}, r"needs heads: give \+model\.options\.heads="),
        ("Fails", {}, r"cannot be constructed: \w+Error: .*line \d+\)"),
        ("nothing", {}, "returns a NoneType; it must return a torch.nn.Module"),
        ("NET", {}, "has no NET"),
        ("Pair", {}, "returns a tuple for 2 images"),
        ("Softmax", {}, "returns probabilities.*Return logits"),
        ("Narrow", {}, r"returns logits of shape \(2, 2\).*\(2, 3\) is needed"),
    ],
)
def test_an_unusable_class_is_refused_in_one_line(
    name: str, options: dict[str, object], message: str, write: Write
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        build_custom(f"{write(NET)}:{name}", options=options)
    assert "\n" not in str(error.value)


def test_images_that_do_not_fit_are_refused_with_the_line_that_failed(write: Write) -> None:
    target = f"{write(NET)}:Net"
    message = r"cannot take images of 1×2×2: RuntimeError: .*net_of_a_test_0\.py, line 14\)"
    with pytest.raises(ConfigError, match=message):
        build_custom_model((1, 2, 2), 3, Regulariser(), target=target)


def test_a_failing_import_is_reported_with_its_line(write: Write) -> None:
    broken = write("import torch\n\nprint(undefined)\n")
    with pytest.raises(ConfigError, match=rf"importing {broken} fails: NameError: .*line 3\)"):
        build_custom(f"{broken}:Net")


def test_a_network_that_creates_tensors_is_checked_with_real_data(write: Write) -> None:
    source = NET.replace("self.conv(x)", "self.conv(x * torch.ones(1))")
    model = build_custom(f"{write(source)}:Net", "dropout2d")
    assert list(find_noise_modules(model)) == ["conv.noise"]


def test_a_network_that_cannot_be_traced_is_noted(write: Write) -> None:
    source = NET.replace("F.relu(self.conv(x))", "F.relu(self.conv(x if x.sum() >= 0 else -x))")
    model = build_custom(f"{write(source)}:Net", "dropout2d")
    assert "cannot be traced: the network itself" in get_notes(model)[-1]
    assert list(find_noise_modules(model)) == ["conv.noise"]


def test_changed_code_has_another_fingerprint_and_is_refused(write: Write) -> None:
    part = write("WIDTH = 4\n")
    name = write(f"import {part}\nimport torch\n{NET}")
    target = f"{name}:Net"
    before = fingerprint_source(target)
    assert fingerprint_source(f"{name}:Pair") == before == fingerprint_source(target)
    build_custom(target, fingerprint=before)
    Path(f"{part}.py").write_text("WIDTH = 5\n")
    assert fingerprint_source(target) != before
    with pytest.raises(ConfigError, match=f"model.fingerprint={before}"):
        build_custom(target, fingerprint=before)


def test_a_network_of_timm_is_asked_for_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", ModuleType("timm"))
    with pytest.raises(ConfigError, match=r"no resnet18\. .*create_model .* model_name=resnet18"):
        build_any_network("timm:resnet18", (3, 8, 8), {})


@pytest.mark.parametrize("name", ["Shared", "Counting"])
def test_reading_a_network_leaves_its_tensors_as_they_were(write: Write, name: str) -> None:
    state = build_custom(f"{write(ODD)}:{name}", "dropout2d").state_dict()
    assert {type(tensor) for tensor in state.values()} == {torch.Tensor}
    assert {tensor.device.type for tensor in state.values()} == {"cpu"}
    assert not state["norm.running_mean"].any()


@pytest.mark.parametrize(
    ("name", "why"), [("Whole", "logits of type int64"), ("Exiting", "SystemExit: 0")]
)
def test_a_network_that_returns_no_numbers_or_exits_is_refused(
    write: Write, name: str, why: str
) -> None:
    with pytest.raises(ConfigError, match=why):
        build_custom(f"{write(ODD)}:{name}")
