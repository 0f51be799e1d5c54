"""Freezes parts of a network: no gradient reaches them, and their statistics stay."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn

from dropexp.config.model_section import ModelConfig
from dropexp.errors import ConfigError
from dropexp.models.heads import get_heads, is_in_head
from dropexp.models.name_patterns import (
    MOST_NAMES_KEPT,
    list_modules,
    list_some,
    matches_any,
    refuse_idle_patterns,
)
from dropexp.regularisers import Noise, is_learned_by_noise

_HELD = "_held_in_eval"


@dataclass(frozen=True)
class TrainedPart:
    """How much of a network trains.

    Attributes:
        trained: numbers in the parameters that train.
        total: numbers in all parameters.
        tensors: the names of the parameters that train.
        modules: the same in short, for people; see list_modules.
        held: how many modules keep their statistics.
    """

    trained: int
    total: int
    tensors: tuple[str, ...]
    modules: tuple[str, ...]
    held: int

    def describe(self) -> str:
        """Return a sentence for the user."""
        held = f"; {self.held} normalisations keep their statistics" if self.held else ""
        return (
            f"trains {self.trained:,} of {self.total:,} parameters: {list_some(self.modules)}{held}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with at most a thousand names."""
        plain = {**asdict(self), "tensors": self.tensors[:MOST_NAMES_KEPT]}
        del plain["modules"]
        return plain


def freeze_parameters(model: nn.Module, config: ModelConfig) -> TrainedPart | None:
    """Freeze what a config does not train, and return what does; None where all of it trains.

    A frozen parameter requires no gradient. A module with statistics of its own, such as batch
    normalisation, is held in eval mode if all of its parameters are frozen (see
    find_held_modules). What noise learns is no part of the network, and always trains.

    Args:
        model: as built from the config; it is changed in place.
        config: of the model.

    Raises:
        ConfigError: a pattern matches nothing, the head is not known, or nothing would train.
    """
    if config.train == "all" and not config.freeze:
        return None
    own = {
        name: parameter
        for name, parameter in model.named_parameters()
        if not is_learned_by_noise(model, name)
    }
    is_frozen = _make_rule(model, config, own)
    for name, parameter in own.items():
        parameter.requires_grad_(not is_frozen(name))
    trained = {name: parameter for name, parameter in own.items() if parameter.requires_grad}
    if not trained:
        raise ConfigError(
            f"model.train={_format(config.train)} and model.freeze={_format(config.freeze)} leave "
            f"nothing to train; the network has {list_some(list_modules(own, own), 12)}."
        )
    held = _list_held(model, is_frozen)
    vars(model)[_HELD] = held
    return TrainedPart(
        trained=sum(parameter.numel() for parameter in trained.values()),
        total=sum(parameter.numel() for parameter in own.values()),
        tensors=tuple(trained),
        modules=tuple(list_modules(trained, own)),
        held=len(held),
    )


def find_held_modules(model: nn.Module) -> list[nn.Module]:
    """Return the modules of a network that are in eval mode in training too.

    In eval mode a normalisation uses its statistics and does not change them.
    """
    names: tuple[str, ...] = vars(model).get(_HELD, ())
    return [model.get_submodule(name) for name in names]


class _Rule:
    """Tells which parameters and buffers of a network are frozen, by their names.

    A parameter that two layers share has a name in each, and is frozen or trained by any of them.
    """

    def __init__(self, model: nn.Module, config: ModelConfig) -> None:
        self._model = model
        self._train, self._freeze = config.train, config.freeze
        self._names = _list_shared_names(model)

    def __call__(self, name: str) -> bool:
        names = self._names.get(name, [name])
        if any(matches_any(each, self._freeze) for each in names):
            return True
        if self._train == "head":
            return not any(is_in_head(self._model, each) for each in names)
        if isinstance(self._train, str):
            return False
        return not any(matches_any(each, self._train) for each in names)


def _list_shared_names(model: nn.Module) -> dict[str, list[str]]:
    """Return first name → all names of each parameter."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {of_one[0]: of_one for of_one in names.values()}


def _make_rule(model: nn.Module, config: ModelConfig, own: Mapping[str, Tensor]) -> _Rule:
    if config.train == "head" and not get_heads(model):
        raise ConfigError(
            "model.train=head is not allowed here: no layer of this network is known to compute "
            "the logits. Name what trains: model.train=[PATTERN]."
        )
    shared = _list_shared_names(model)
    names = [each for name in own for each in shared.get(name, [name])]
    names += [each for statistics in _list_lone_statistics(model).values() for each in statistics]
    refuse_idle_patterns("model.freeze", config.freeze, names)
    if not isinstance(config.train, str):
        refuse_idle_patterns("model.train", config.train, names)
    return _Rule(model, config)


def _list_held(model: nn.Module, is_frozen: _Rule) -> tuple[str, ...]:
    """Return the names of modules that have statistics and train no parameter of their own.

    A module with statistics and no parameters is held if the statistics' names are frozen.
    """
    held = []
    lone = _list_lone_statistics(model)
    for name, module in model.named_modules():
        if name in lone:
            is_held = all(is_frozen(each) for each in lone[name])
        elif isinstance(module, Noise) or not _list_statistics(name, module):
            is_held = False
        else:
            is_held = not any(each.requires_grad for each in module.parameters(recurse=False))
        if is_held:
            held.append(name)
    return tuple(held)


def _list_lone_statistics(model: nn.Module) -> dict[str, list[str]]:
    """Return module → names of its statistics, of modules that have no parameters.

    A batch normalisation with affine=False is one. Patterns name it by its statistics, as they name
    others by their parameters.
    """
    return {
        name: statistics
        for name, module in model.named_modules()
        if not isinstance(module, Noise)
        and next(module.parameters(recurse=False), None) is None
        and (statistics := _list_statistics(name, module))
    }


def _list_statistics(name: str, module: nn.Module) -> list[str]:
    return [
        f"{name}.{each}"
        for each, buffer in module.named_buffers(recurse=False)
        if buffer.is_floating_point()  # others are counters, or indices that never change
    ]


def _format(patterns: str | tuple[str, ...]) -> str:
    return patterns if isinstance(patterns, str) else f"[{','.join(patterns)}]"
