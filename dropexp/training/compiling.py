"""The forward pass of training steps, as it is or through torch.compile.

Only the training steps are compiled; audits and evaluation use the model itself. What is compiled
depends on nothing but the model, p and the shape of the batch, never on what was compiled before,
so a resumed run repeats the uninterrupted one.
"""

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec

import torch
from torch import Tensor, nn

from dropexp.config.run_config import RunConfig
from dropexp.config.training_sections import TrainConfig
from dropexp.errors import ConfigError, DeviceError

Forward = Callable[[Tensor], Tensor]

_COMPILERS = ("c++", "g++", "clang++", "cl")
_MOST_VARIANTS = 100_000
"""By default torch gives up silently after eight, as with a p that changes in every epoch."""


def refuse_unavailable(config: RunConfig, device: torch.device) -> None:
    """Check that the device has what the config asks for.

    Raises:
        DeviceError: tf32 or CUDA graphs without a CUDA device.
        ConfigError: there is nothing that compiles for the device.
    """
    for name, is_asked in (
        ("precision=tf32", config.precision == "tf32"),
        ("train.cuda_graphs=true", config.train.cuda_graphs),
    ):
        if is_asked and device.type != "cuda":
            instead = "precision=float32" if "tf32" in name else "train.cuda_graphs=false"
            raise DeviceError(
                f"{name} needs a CUDA device, and this run would train on {device}. Use {instead}, "
                f"or a machine with a GPU."
            )
    if not config.train.compile:
        return
    if device.type == "cuda" and find_spec("triton") is None:
        raise ConfigError(
            "train.compile=true needs the package triton for a GPU: pip install triton. Or use "
            "train.compile=false."
        )
    known = (os.environ.get("CXX", ""), *_COMPILERS)
    if not any(shutil.which(name) for name in known if name):
        raise ConfigError(
            "train.compile=true needs a C++ compiler, and none is found: install g++ or clang++, "
            "or set CXX. Or use train.compile=false."
        )


def prepare_forward(config: TrainConfig, model: nn.Module) -> Forward:
    """Return the forward pass of training steps: the model, or its compiled form.

    Args:
        config: the train section of the config.
        model: to be trained; it keeps its own parameters and mode.
    """
    if not config.compile:
        return model
    import torch._dynamo.config as dynamo
    import torch._inductor.config as inductor

    # Otherwise the code for a shape or a p depends on the shapes and p that came before it.
    dynamo.specialize_float = True
    dynamo.recompile_limit = dynamo.accumulated_recompile_limit = _MOST_VARIANTS
    inductor.fallback_random = True  # the masks are those of the model that is not compiled
    mode = "reduce-overhead" if config.cuda_graphs else None
    compiled: Forward = torch.compile(model, dynamic=False, mode=mode)
    if not config.cuda_graphs:
        return compiled

    def replay(x: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()  # the outputs of the step before may be reused
        return compiled(x)

    return replay
