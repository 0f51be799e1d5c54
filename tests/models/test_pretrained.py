"""Files of weights in the forms in which people save them, and how they are fitted to a network."""

import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dropexp.config.compose import compose_run
from dropexp.config.model_section import ModelConfig
from dropexp.config.published_weights import PublishedWeights, find_published_weights
from dropexp.errors import ConfigError
from dropexp.models import build, build_torchvision_model, pretrained
from dropexp.models.pretrained import LoadedWeights, load_pretrained
from dropexp.models.torchvision_models import fit_first_kernel
from dropexp.regularisers import Regulariser

SHAPE = (1, 8, 8)


def make_network(classes: int = 10, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build("small_cnn", SHAPE, classes, Regulariser(), width=3)


def configure(file: Path, *words: str) -> ModelConfig:
    return compose_run(["model.width=3", f"model.weights={file}", *words]).model


def load_into(model: nn.Module, file: Path, *words: str) -> LoadedWeights:
    loaded = load_pretrained(model, configure(file, *words))
    assert loaded is not None
    return loaded


@pytest.fixture
def state() -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in make_network(seed=1).state_dict().items()}


@pytest.mark.parametrize(
    "form",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3, "note": "text"},
        lambda state: {"model": state, "optimiser": {"lr": 0.1}},
        lambda state: {f"module.{name}": tensor for name, tensor in state.items()},
        lambda state: {"state_dict": {f"model.{n}": t for n, t in state.items()}},
        lambda state: {name: nn.Parameter(tensor) for name, tensor in state.items()},
        lambda state: {name: tensor.half() for name, tensor in state.items()},
    ],
    ids=["plain", "state_dict", "checkpoint", "data_parallel", "lightning", "parameters", "half"],
)
@pytest.mark.parametrize("is_old", [False, True], ids=["", "old"])
def test_weights_are_found_in_the_forms_in_which_they_are_saved(
    form: object, is_old: bool, state: dict[str, Tensor], tmp_path: Path
) -> None:
    file = tmp_path / "weights.pt"
    assert callable(form)
    torch.save(form(state), file, _use_new_zipfile_serialization=not is_old)
    model = make_network()
    loaded = load_into(model, file)
    assert (loaded.loaded, loaded.new, loaded.skipped) == (6, (), ())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, state[name], rtol=1e-3, atol=1e-4)


def test_a_head_of_other_classes_and_what_is_named_stay_new_and_the_rest_is_skipped(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    file = tmp_path / "weights.safetensors"
    save_file({**state, "projector.weight": torch.zeros(2)}, file)
    model, untouched = make_network(classes=4), make_network(classes=4).state_dict()
    loaded = load_into(model, file, "model.new=[conv2]")
    assert loaded.loaded == 2
    assert loaded.new == ("conv2.weight", "conv2.bias", "head.weight", "head.bias")
    assert loaded.skipped == ("projector.weight",)
    now = model.state_dict()
    assert all(torch.equal(now[name], untouched[name]) for name in loaded.new)
    assert torch.equal(now["conv1.weight"], state["conv1.weight"])


def test_new_head_is_new_although_its_shape_is_that_of_the_file(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(state, tmp_path / "weights.safetensors")
    model = make_network()
    loaded = load_into(model, tmp_path / "weights.safetensors", "model.new=head")
    assert loaded.new == ("head.weight", "head.bias")
    assert not torch.equal(model.state_dict()["head.weight"], state["head.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("conv2.bias"), r"it lacks conv2\.bias\. Choose"),
        (
            lambda state: state.update({"trunk.bias": state.pop("conv2.bias")}),
            r"it lacks conv2\.bias \(it has trunk\.bias instead\)",
        ),
        (
            lambda state: state.update({"conv1.bias": torch.tensor([1.0, float("nan"), 2.0])}),
            r"conv1\.bias has values that are not finite",
        ),
        (
            lambda state: state.update({"conv1.bias": torch.zeros(3, dtype=torch.complex64)}),
            r"conv1\.bias has complex numbers",
        ),
        (
            lambda state: state.update({"conv1.bias": torch.zeros(3).to_sparse()}),
            r"conv1\.bias is sparse",
        ),
        (lambda state: state.clear(), "holds no weights"),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(
    change: object, message: str, state: dict[str, Tensor], tmp_path: Path
) -> None:
    assert callable(change)
    change(state)
    torch.save(state, tmp_path / "weights.pt")
    before = {name: tensor.clone() for name, tensor in make_network().state_dict().items()}
    model = make_network()
    with pytest.raises(ConfigError, match=message) as error:
        load_into(model, tmp_path / "weights.pt")
    assert "\n" not in str(error.value)
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())


def test_an_archive_that_unpacks_to_more_than_itself_is_refused(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    torch.save({**state, "conv1.bias": torch.zeros(200_000)}, tmp_path / "weights.pt")
    with (
        zipfile.ZipFile(tmp_path / "weights.pt") as plain,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in plain.namelist():
            packed.writestr(name, plain.read(name))
    with pytest.raises(ConfigError, match=r"bytes unpack to [\d,]+, and torch\.save packs nothing"):
        load_into(make_network(), tmp_path / "packed.pt")


# --- torchvision's ------------------------------------------------------------------------


def test_a_trained_first_kernel_is_adapted_as_the_network_is() -> None:
    kernel = torch.randn(8, 3, 7, 7)
    grey = fit_first_kernel(kernel, torch.empty(8, 1, 7, 7))
    torch.testing.assert_close(grey, kernel.sum(1, keepdim=True))
    small = fit_first_kernel(kernel, torch.empty(8, 3, 3, 3))
    torch.testing.assert_close(small.norm(), kernel.norm())
    middle = kernel[:, :, 2:5, 2:5]
    torch.testing.assert_close(small / small.norm(), middle / middle.norm())
    for other in (torch.empty(9, 3, 7, 7), torch.empty(8, 3, 9, 9)):
        assert fit_first_kernel(kernel, other) is kernel


def test_published_names_are_read_from_torchvisions_source() -> None:
    newest = find_published_weights("resnet50", "DEFAULT")
    assert newest == find_published_weights("resnet50", "ResNet50_Weights.IMAGENET1K_V2")
    assert newest.name == "IMAGENET1K_V2"
    assert newest.file_name == f"resnet50-{newest.digest}.pth"
    assert newest.url.startswith("https://")
    for arch, name, message in (
        ("resnet50", "IMAGENET1K_V9", "Did you mean IMAGENET1K_V"),
        ("resnet50", "ResNet18_Weights.DEFAULT", "whose weights are of ResNet50_Weights"),
        ("resnet51", "DEFAULT", "torchvision has no weights for model.arch=resnet51"),
    ):
        with pytest.raises(ConfigError, match=message):
            find_published_weights(arch, name)


def test_what_is_read_agrees_with_torchvision() -> None:
    from dropexp.data.torchvision_import import import_torchvision

    models = import_torchvision().models
    for arch in models.list_models(module=models):
        weights = models.get_model_weights(arch)
        found = find_published_weights(arch, "DEFAULT")
        assert (found.name, found.url) == (weights.DEFAULT.name, weights.DEFAULT.url), arch


def test_published_weights_are_a_file_whose_content_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read from where torchvision keeps them; nothing is downloaded here."""
    from hashlib import sha256

    torch.manual_seed(1)
    theirs = build_torchvision_model((3, 64, 64), 7, Regulariser(), arch="squeezenet1_1")
    checkpoints = tmp_path / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(theirs.state_dict(), checkpoints / "net.pth")
    digest = sha256((checkpoints / "net.pth").read_bytes()).hexdigest()[:8]
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    published = PublishedWeights("IMAGENET1K_V1", "https://x.invalid/net.pth", digest)
    monkeypatch.setattr(pretrained, "find_published_weights", lambda *_: published)
    config = compose_run(
        ["model=torchvision", "model.arch=squeezenet1_1", "model.weights=DEFAULT"]
    ).model
    assert config.weights == "IMAGENET1K_V1"
    assert len(str(config.weights_fingerprint)) == 8
    ours = build_torchvision_model(SHAPE, 10, Regulariser(), arch="squeezenet1_1")
    config = config.model_copy(update={"weights_fingerprint": digest})
    loaded = load_pretrained(ours, config)
    assert loaded is not None
    assert loaded.adapted == ("features.0.weight",)
    assert loaded.new == ("classifier.1.weight", "classifier.1.bias")
    changed = config.model_copy(update={"weights_fingerprint": "0123abcd"})
    with pytest.raises(ConfigError, match="is another file than the run was made with"):
        load_pretrained(ours, changed)
    other = PublishedWeights("IMAGENET1K_V1", "https://x.invalid/net.pth", "0123abcd")
    monkeypatch.setattr(pretrained, "find_published_weights", lambda *_: other)
    with pytest.raises(ConfigError, match=r"not what torchvision publishes: .*Delete the file"):
        load_pretrained(ours, changed)


def test_weights_that_cannot_be_downloaded_are_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_addresses: object) -> None:
        raise OSError("no answer")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr("dropexp.data.download.list_answering", refuse)
    config = compose_run(["model=torchvision", "model.weights=DEFAULT"]).model
    model = build_torchvision_model(SHAPE, 10, Regulariser(), arch="squeezenet1_1")
    with pytest.raises(ConfigError, match=r"cannot be downloaded \(no answer\)\. Put https"):
        load_pretrained(model, config)
    assert not (tmp_path / "hub").exists()


def test_a_link_to_a_file_without_an_ending_is_followed(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    """As caches of downloads have them."""
    torch.save(state, tmp_path / "0a1b2c")
    (tmp_path / "weights.pt").symlink_to(tmp_path / "0a1b2c")
    assert load_into(make_network(), tmp_path / "weights.pt").loaded == 6
