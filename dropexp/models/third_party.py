"""What networks that were not written for dropexp need before they are trained.

Noise of their own is switched off, their logits must be one for each class, sites are found in
them, and what was done to them is noted.
"""

import traceback
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dropexp.data.torchvision_import import import_torchvision
from dropexp.models.adapter import fill_sites, find_sites
from dropexp.regularisers import Regulariser, preserve_modes

_NOTES = "_notes"
_PROBED_IMAGES = 2


def add_note(model: nn.Module, *sentences: str) -> None:
    """Remember what a person should know about a network; see notes."""
    vars(model)[_NOTES] = (*notes(model), *sentences)


def notes(model: nn.Module) -> tuple[str, ...]:
    """What was changed in a network before it was regularised, in sentences."""
    found: tuple[str, ...] = vars(model).get(_NOTES, ())
    return found


def disable_own_noise(model: nn.Module) -> None:
    """Switch off dropout and stochastic depth of the network's own, and note it.

    They would act beside every regulariser, and in the baseline.
    """
    stochastic_depth = import_torchvision().ops.StochasticDepth
    silenced: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.dropout._DropoutNd | stochastic_depth) and module.p > 0:
            module.p = 0.0
            silenced.append(name)
        elif isinstance(module, nn.MultiheadAttention) and module.dropout > 0:
            module.dropout = 0.0
            silenced.append(name)
    if silenced:
        more = f" and {len(silenced) - 1} more" if len(silenced) > 1 else ""
        add_note(model, f"the network's own dropout is off ({silenced[0]}{more})")


def find_and_fill_sites(
    model: nn.Module, regulariser: Regulariser, sites: Sequence[str] | None
) -> None:
    """Find a network's sites and let the regulariser fill them; note which layers are no sites.

    Raises:
        ConfigError: a pattern matches no site.
    """
    found = find_sites(model)
    if found.heads:
        add_note(model, f"its head is left plain ({', '.join(found.heads)})")
    if found.untraced:
        where = found.untraced[0] or "the network itself"
        more = f" and {len(found.untraced) - 1} more" if len(found.untraced) > 1 else ""
        add_note(model, f"read in the order of registration, as it cannot be traced: {where}{more}")
    fill_sites(model, regulariser, sites, found)


def probe_model(model: nn.Module, image_shape: tuple[int, int, int]) -> object:
    """What a network answers to two black images in eval mode; it is left as it is.

    Computed without data where that is possible: large networks take a while.
    """
    shape = (_PROBED_IMAGES, *image_shape)
    with preserve_modes(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
        model.eval()
        try:
            return _without_data(model, shape)
        except Exception:  # it may make tensors of its own, or ask for values
            return model(torch.zeros(shape))


def _without_data(model: nn.Module, shape: tuple[int, ...]) -> object:
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    shapes = {name: tensor.to("meta") for name, tensor in tensors.items()}
    return torch.func.functional_call(model, shapes, (torch.zeros(shape, device="meta"),))


def takes_single_images(model: nn.Module, image_shape: tuple[int, int, int]) -> bool:
    """Whether a training step may have one image only; the network is left as it is.

    Batch normalisation of maps of one position has no statistics of one image.
    """
    try:
        with preserve_modes(model), torch.no_grad():
            _without_data(model.train(), (1, *image_shape))
    except ValueError as error:
        return "more than 1 value per channel" not in str(error)
    except Exception:  # of other causes, which training will meet or not
        return True
    return True


def describe_wrong_logits(answer: object, num_classes: int) -> str | None:
    """What is wrong with the answer to two images, if anything is."""
    if isinstance(answer, Tensor) and answer.shape == (_PROBED_IMAGES, num_classes):
        return None
    given = (
        f"logits of shape {tuple(answer.shape)}"
        if isinstance(answer, Tensor)
        else f"a {type(answer).__name__}"
    )
    return (
        f"gives {given} for {_PROBED_IMAGES} images; ({_PROBED_IMAGES}, {num_classes}) is needed, "
        f"one logit for each class"
    )


def summarise_error(error: BaseException) -> str:
    """An error of code that is not ours: its kind, its first line, and where the user's code is."""
    message = (str(error).strip().splitlines() or ["without a message"])[0].rstrip(".!")
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if not _is_library_file(Path(frame.filename))]
    where = f" ({users[-1].filename}, line {users[-1].lineno})" if users else ""
    return f"{type(error).__name__}: {message}{where}"


def _is_library_file(file: Path) -> bool:
    if {"site-packages", "dist-packages"} & set(file.parts):
        return True
    ours, standard = Path(__file__).parents[1], Path(traceback.__file__).parent
    return file.is_relative_to(ours) or file.is_relative_to(standard) or not file.is_file()
