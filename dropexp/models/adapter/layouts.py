"""Where a layer's features are: in the second axis of a map, or in the last one.

ConvNeXt and Swin compute on maps (N, H, W, C), transformers on tokens (N, L, C). Noise on channels
or positions is written for (N, C, H, W); here its input is brought into that form and back.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from dropexp.regularisers import preserve_modes

_TOKENS, _MAPS = 3, 4  # dimensions of (N, L, C) and (N, H, W, C)


def observe_dimensions(model: nn.Module, run: Callable[[], object]) -> dict[str, int]:
    """Return the number of dimensions of each module's output in an eval pass.

    Modules that do not return a tensor, or that the pass does not reach, are left out.

    Args:
        model: the network; its modes are restored.
        run: makes a forward pass.
    """
    dimensions: dict[str, int] = {}

    def make_hook(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _arguments: object, output: object) -> None:
            if isinstance(output, Tensor):
                dimensions[name] = output.dim()

        return hook

    hooks = [
        module.register_forward_hook(make_hook(name)) for name, module in model.named_modules()
    ]
    try:
        with preserve_modes(model), torch.no_grad():
            model.eval()
            run()
    finally:
        for handle in hooks:
            handle.remove()
    return dimensions


def is_channels_last(dimensions: int) -> bool:
    """Return whether the output of a linear layer is a map or tokens, with features last."""
    return dimensions in (_TOKENS, _MAPS)


def apply_channels_last(noise: nn.Module, x: Tensor) -> Tensor:
    """Apply noise on maps (N, C, H, W) to a map (N, H, W, C) or to tokens (N, L, C).

    Tokens are a map with a single column.
    """
    as_map = x.movedim(-1, 1)
    if x.dim() == _TOKENS:
        noisy: Tensor = noise(as_map.unsqueeze(-1))
        return noisy.squeeze(-1).movedim(1, -1)
    noisy = noise(as_map)
    return noisy.movedim(1, -1)
