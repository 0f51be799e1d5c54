"""Training and eval mode: switched here only, and checked at each switch."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from torch import nn

from dropexp.errors import AuditError
from dropexp.models import find_held_modules
from dropexp.regularisers import find_noise_modules, preserve_modes


@contextmanager
def in_mode(model: nn.Module, *, training: bool, noise: bool | None = None) -> Iterator[None]:
    """Put every module into training or eval mode inside; restore each one's mode afterwards.

    Frozen modules with statistics stay in eval mode: see dropexp.models.freezing.

    Args:
        model: whose modules to switch.
        training: True for training mode, False for eval mode.
        noise: the same for the noise modules alone; None: the mode of all others.

    Raises:
        AuditError: a module does not switch to the mode, for example because its ``train`` method
            is overridden, or it is in another mode at the end.
    """
    with preserve_modes(model):
        model.train(training)
        held = set(find_held_modules(model)) if training else set()
        for module in held:
            module.training = False
        if noise is not None:
            for module in _find_noise(model):
                module.training = noise  # train() would also switch the layers in it
        _check_modes(model, training, noise, held)
        yield
        _check_modes(model, training, noise, held)


def _check_modes(
    model: nn.Module, training: bool, noise: bool | None, held: Collection[nn.Module]
) -> None:
    noises = set() if noise is None else _find_noise(model)
    for name, module in model.named_modules():
        expected = noise if module in noises else training and module not in held
        if module.training is not expected:
            raise AuditError(
                f"{name or 'the model'} ({type(module).__name__}) is not in "
                f"{'training' if expected else 'eval'} mode."
            )


def _find_noise(model: nn.Module) -> set[nn.Module]:
    return {model.get_submodule(name) for name in find_noise_modules(model)}
