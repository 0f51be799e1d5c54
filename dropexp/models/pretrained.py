"""Starts a network from weights of another training, and says what was loaded and what was not."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dropexp.config.model_section import ModelConfig, TorchvisionConfig
from dropexp.config.published_weights import find_published_weights
from dropexp.config.weights_files import is_published_name
from dropexp.errors import ConfigError
from dropexp.models.heads import get_heads, is_in_head
from dropexp.models.name_patterns import (
    MOST_NAMES_KEPT,
    list_modules,
    list_some,
    matches_any,
    refuse_idle_patterns,
)
from dropexp.models.state_files import read_published_weights, read_weights_file
from dropexp.models.torchvision_models import fit_first_kernel, name_first_kernel
from dropexp.regularisers import is_learned_by_noise

_WRAPPERS = ("module.", "_orig_mod.", "model.")
"""Before all names where a network was wrapped: by DataParallel, torch.compile, Lightning."""

Fit = Callable[[str, Tensor, Tensor], Tensor]
"""Returns a file's tensor of a name in the form that the network's tensor of that name has."""


@dataclass(frozen=True)
class LoadedWeights:
    """What a network got from a file of weights.

    Attributes:
        source: what ``model.weights`` says.
        fingerprint: hex digits with which the SHA-256 of the file begins; None: not known.
        loaded: how many tensors were loaded.
        adapted: names of loaded tensors that were adapted to the shape of the network's.
        new: names of the network's tensors that keep their initial values.
        new_modules: the same in short, for people; see list_modules.
        skipped: names of the file's tensors that the network does not have.
    """

    source: str
    fingerprint: str | None
    loaded: int
    adapted: tuple[str, ...]
    new: tuple[str, ...]
    new_modules: tuple[str, ...]
    skipped: tuple[str, ...]

    def describe(self) -> list[str]:
        """Return sentences for the user."""
        digits = f" (SHA-256 {self.fingerprint}…)" if self.fingerprint else ""
        sentences = [f"weights of {self.source}{digits}: {self.loaded} tensors loaded"]
        for words, names in (
            ("adapted to these images", self.adapted),
            ("new, not from these weights", self.new_modules),
            ("skipped, as the network has no such tensor", self.skipped),
        ):
            if names:
                sentences.append(f"{words}: {list_some(names)}")
        return sentences

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with at most a thousand names of a kind."""
        plain = asdict(self)
        del plain["new_modules"]
        for key in ("adapted", "new", "skipped"):
            plain[key] = plain[key][:MOST_NAMES_KEPT]
        return plain


def load_pretrained(model: nn.Module, config: ModelConfig) -> LoadedWeights | None:
    """Load the weights that a config names into a network, and return what; None without any.

    The head stays new if its shape differs from that in the file, as with other classes, and so
    does what ``model.new`` says. All else must be in the file in the network's shape, but for what
    noise learns. Of torchvision's networks, the first kernel is adapted as that of the network was.

    Args:
        model: as built from the config, with its initial weights; it is changed in place.
        config: of the model.

    Raises:
        ConfigError: the file is not there, is another one than the config says or holds no weights,
            or they do not fit the network; names the tensors that do not.
    """
    if config.weights is None:
        return None
    state = model.state_dict()
    numbers = sum(tensor.numel() for tensor in state.values())
    saved = _strip_wrappers(_read_saved(config, config.weights, numbers), state)
    is_adapted = isinstance(config, TorchvisionConfig)
    fit = _make_kernel_fit(name_first_kernel(model)) if is_adapted else _keep_form
    loading = _Loading(f"model.weights={config.weights}", state, saved, fit)
    left_new = _find_left_new(model, config.new, state)
    own = [name for name in state if name not in left_new and not is_learned_by_noise(model, name)]
    fitted = loading.fit_all(loading.leave_other_heads_new(own, get_heads(model)))
    with torch.no_grad():
        for name, tensor in fitted.items():
            state[name].copy_(tensor)
    counted = [name for name in state if not _is_counter(name)]
    new = [name for name in counted if name not in fitted]
    return LoadedWeights(
        source=config.weights,
        fingerprint=config.weights_fingerprint,
        loaded=len(fitted),
        adapted=tuple(name for name in fitted if saved[name].shape != state[name].shape),
        new=tuple(new),
        new_modules=tuple(list_modules(new, counted)),
        skipped=tuple(sorted(saved.keys() - state.keys())),
    )


def _read_saved(config: ModelConfig, weights: str, numbers: int) -> dict[str, Tensor]:
    """Return the tensors of the file that ``model.weights`` names, or of published weights."""
    if isinstance(config, TorchvisionConfig) and is_published_name(config.name, weights):
        published = find_published_weights(config.arch, weights)
        return read_published_weights(published, config.weights_fingerprint, numbers)
    return read_weights_file(weights, config.weights_fingerprint, numbers)


@dataclass(frozen=True)
class _Loading:
    """The tensors of a network and of a file, and how the file's get the network's form.

    Attributes:
        label: what to call the file in errors.
        state: the network's tensors by name.
        saved: the file's.
        fit: gives a tensor of the file the form that the network's has.
    """

    label: str
    state: Mapping[str, Tensor]
    saved: Mapping[str, Tensor]
    fit: Fit

    def leave_other_heads_new(self, names: Sequence[str], heads: Sequence[str]) -> list[str]:
        """Return the names without those of a head of which a tensor has another shape, or none."""
        other = {
            head
            for head in heads
            for name in names
            if name.startswith(f"{head}.") and not self._fits(name)
        }
        return [name for name in names if not any(name.startswith(f"{each}.") for each in other)]

    def fit_all(self, names: Sequence[str]) -> dict[str, Tensor]:
        """Return the file's tensors of some names, in the network's shapes.

        Raises:
            ConfigError: the file lacks one, or has it in another shape or with values that are not
                finite.
        """
        there = [name for name in names if name in self.saved]
        missing = [name for name in names if name not in self.saved and not _is_counter(name)]
        if not there:
            raise ConfigError(
                f"{self.label} does not fit this network: no name in it is one of the network's. "
                f"It has {list_some(sorted(self.saved), 3)}; the network has {list_some(names, 3)}."
            )
        fitted = {name: self._fit(name) for name in there}
        wrong = [name for name in there if fitted[name].shape != self.state[name].shape]
        if missing or wrong:
            raise ConfigError(self._explain(missing, wrong))
        for name, tensor in fitted.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise ConfigError(f"{self.label}: {name} has values that are not finite.")
        return fitted

    def _fit(self, name: str) -> Tensor:
        return self.fit(name, self.saved[name], self.state[name])

    def _fits(self, name: str) -> bool:
        return name in self.saved and self._fit(name).shape == self.state[name].shape

    def _explain(self, missing: Sequence[str], wrong: Sequence[str]) -> str:
        reasons = [
            f"{name} is {_format(self.saved[name])} there and {_format(self.state[name])} here"
            for name in wrong[:3]
        ]
        if left := len(wrong) - len(reasons):
            reasons.append(f"{left} more {'has' if left == 1 else 'have'} another shape")
        if missing:
            unused = self.saved.keys() - self.state.keys()
            has = f" (it has {list_some(sorted(unused), 3)} instead)" if unused else ""
            reasons.append(f"it lacks {list_some(missing)}{has}")
        return (
            f"{self.label} does not fit this network: {'; '.join(reasons)}. Choose the network "
            f"that the weights are of, or say what stays new: model.new=[PATTERN]."
        )


def _find_left_new(
    model: nn.Module, new: str | tuple[str, ...] | None, state: Collection[str]
) -> set[str]:
    """Return the names that ``model.new`` leaves new."""
    if new is None:
        return set()
    if isinstance(new, str):
        return {name for name in state if is_in_head(model, name)}
    refuse_idle_patterns("model.new", new, list(state))
    return {name for name in state if matches_any(name, new)}


def _strip_wrappers(saved: dict[str, Tensor], names: Collection[str]) -> dict[str, Tensor]:
    """Return a file's tensors without what wrappers of networks put before their names."""
    for prefix in _WRAPPERS:
        if saved.keys() & set(names):
            break
        starts = [name for name in saved if name.startswith(prefix)]
        stripped = {name.removeprefix(prefix): saved[name] for name in starts}
        saved = stripped or saved
    return saved


def _keep_form(_name: str, tensor: Tensor, _own: Tensor) -> Tensor:
    return tensor


def _make_kernel_fit(first: str) -> Fit:
    def fit(name: str, tensor: Tensor, own: Tensor) -> Tensor:
        return fit_first_kernel(tensor, own) if name == first else tensor

    return fit


def _is_counter(name: str) -> bool:
    """Return whether a tensor counts batches, which old files lack."""
    return name.endswith("num_batches_tracked")


def _format(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"
