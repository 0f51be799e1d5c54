"""What an audit examines: a model beside its plain twin, on a batch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from dropexp.doctor.silent_weights import wake_silent_weights
from dropexp.regularisers import Noise, apply_input_noise, find_noise_modules, read_p
from dropexp.training.evaluation import autocast
from dropexp.training.modes import in_mode

MAX_IMAGES = 64
"""The largest batch to audit with: more images cost time and prove little."""

FEW_IMAGES = 8
"""Images of the batch for checks that need many passes."""


@dataclass(frozen=True)
class EvaluationPass:
    """A pass in eval mode.

    Attributes:
        logits: float32 (N, K).
        inputs: the name of a noise module → its input, float32; of those that the pass reaches.
    """

    logits: Tensor
    inputs: Mapping[str, Tensor]


@dataclass(frozen=True)
class AuditSubject:
    """What is audited. The models are copies, so that checks may run training passes on them.

    Attributes:
        model: the regularised model.
        plain: the same model without a regulariser.
        images: a normalised batch (N, C, H, W).
        p_by_regulariser: regulariser → the drop probability that it must have.
        precision: ``float32``, ``tf32`` or ``bfloat16``.
    """

    model: nn.Module
    plain: nn.Module
    images: Tensor
    p_by_regulariser: Mapping[str, float]
    precision: str

    @cached_property
    def noises(self) -> Mapping[str, Noise]:
        """The noise modules of the model, by name."""
        return find_noise_modules(self.model)

    @cached_property
    def site_p(self) -> Mapping[str, float]:
        """The p of each noise module as the model was built, by name."""
        return {name: float(p) for name, p in read_p(self.noises).items()}

    @cached_property
    def first_evaluation(self) -> EvaluationPass:
        """The model's first evaluation pass; ask for it before any training pass."""
        inputs: dict[str, Tensor] = {}

        def record_input_of(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
            def hook(_: nn.Module, arguments: tuple[Any, ...]) -> None:
                # A gate also receives its branch, and noise on the input also receives the labels.
                tensors = [argument for argument in arguments if isinstance(argument, Tensor)]
                inputs[name] = tensors[0].detach().float()

            return hook

        with ExitStack() as hooks:
            for name in self.noises:
                module = self.model.get_submodule(name)
                hooks.callback(module.register_forward_pre_hook(record_input_of(name)).remove)
            logits = self.forward(self.model, training=False)
        return EvaluationPass(logits, inputs)

    def wake_silent_weights(self) -> None:
        """Change weights that hide noise, in both models alike: see doctor/silent_weights.py."""
        wake_silent_weights(self.plain, self.model)

    def forward(
        self,
        model: nn.Module,
        *,
        training: bool,
        images: int | None = None,
        gradients: bool = False,
    ) -> Tensor:
        """Return the logits of a pass, float32 (N, K).

        Args:
            model: ``self.model`` or ``self.plain``.
            training: True for a pass in training mode, False for eval mode.
            images: how many images of the batch; None: all.
            gradients: whether autograd records the pass.

        Raises:
            AuditError: a module does not take the mode.
        """
        x = self.images[:images]
        labels = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        with in_mode(model, training=training), torch.set_grad_enabled(gradients):
            x, _ = apply_input_noise(model, x, labels)
            with autocast(x.device, self.precision):
                logits: Tensor = model(x)
            return logits.float()

    @contextmanager
    def with_p(self, p: Mapping[str, float]) -> Iterator[None]:
        """Set the p of every noise module by its name inside; restore each p afterwards."""
        before = read_p(self.noises)
        try:
            self._set_p(p)
            yield
        finally:
            self._set_p(before)

    def _set_p(self, p: Mapping[str, float]) -> None:
        for name, noise in self.noises.items():
            noise.p = p[name]
