"""Mixup and CutMix: mix pairs of training images and their labels.

Shapes: N examples, C channels, H × W positions, K classes.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dropexp.errors import AuditError
from dropexp.regularisers.base import Regulariser
from dropexp.regularisers.draws import Draws
from dropexp.regularisers.inputs import InputNoise
from dropexp.regularisers.modes import preserve_modes

_PROBES = 1024


class _BatchMixing(InputNoise):
    """Mixes each example with its neighbour in the batch by a transform of torchvision.

    Args:
        p: the probability that a batch is mixed, in [0, 1]; as published it is 1.
        num_classes: K.
        alpha: α > 0 of the Beta(α, α) distribution of the proportion λ.

    Raises:
        ValueError: p is outside [0, 1], or alpha is not above 0.
    """

    transform: ClassVar[str]

    def __init__(self, p: float, num_classes: int, alpha: float = 1.0) -> None:
        super().__init__(p)
        if not alpha > 0:
            raise ValueError(f"alpha={alpha} is not allowed: it must be above 0")
        self.num_classes = num_classes
        self.alpha = alpha
        # Not in the first step, which a sweep times to estimate how long its epochs take.
        self._mix = self._make_transform()

    @property
    def draws_once_per_batch(self) -> bool:
        """See Noise."""
        return True

    @property
    def chance_of_repeat(self) -> float:
        """See Noise; an unmixed batch repeats another, and so may some of the mixed ones.

        On small images or for a small α, λ may be rounded to 1 or the box of CutMix may be empty.
        At most half of the mixed batches are assumed to be unchanged.
        """
        return 1 - self.p / 2

    def _change(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if torch.rand(()) >= self.p:
            return images, targets
        mixed, probabilities = self._mix(images, targets)
        return mixed, probabilities

    def _make_transform(self) -> Any:
        # Importing torchvision takes a second, which the other regularisers need not pay.
        from dropexp.data.torchvision_import import import_torchvision

        import_torchvision()
        from torchvision.transforms import v2

        return getattr(v2, self.transform)(alpha=self.alpha, num_classes=self.num_classes)

    def draws(self, x: Tensor) -> Draws:
        """See Noise. A unit is a batch; one with mixed targets counts as dropped.

        The probe is two images whose pixels all have the number of their class as value. So the
        mean of a mixed image is the expected class under its mixed target.

        Raises:
            AuditError: images and targets were not mixed in the same proportion.
        """
        labels = torch.tensor([0, self.num_classes - 1], device=x.device)
        images = labels.view(2, 1, 1, 1).expand(2, 1, *x.shape[2:]).float()
        classes = torch.arange(self.num_classes, device=x.device, dtype=torch.float32)
        mixed = []
        with preserve_modes(self):
            self.train()
            for _ in range(_PROBES):
                changed, targets = self(images, labels)
                mixed.append(targets.dim() == 2)
                means = targets @ classes if mixed[-1] else labels.float()
                if not torch.allclose(changed.flatten(1).mean(1), means, atol=1e-3):
                    raise AuditError("images and targets are mixed in different proportions")
        return Draws(torch.tensor(mixed, dtype=torch.float32), ratios=None)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, alpha={self.alpha}"


class Mixup(_BatchMixing):
    """Mixes images and targets: λ x + (1 − λ) x′, by ``torchvision.transforms.v2.MixUp``.

    Zhang et al. 2018, "mixup: beyond empirical risk minimization", section 2. Arguments as
    _BatchMixing's.
    """

    kind: ClassVar[str] = "mixup"
    transform: ClassVar[str] = "MixUp"


class CutMix(_BatchMixing):
    """Pastes a box of another image, and mixes the targets by its area.

    Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with localizable
    features", section 3.1, by ``torchvision.transforms.v2.CutMix``. The box may be empty on small
    images. Arguments as _BatchMixing's.
    """

    kind: ClassVar[str] = "cutmix"
    transform: ClassVar[str] = "CutMix"


class MixupRegulariser(Regulariser):
    """Mixup of training batches.

    Args:
        p: see Mixup.
        alpha: see Mixup; 1 in the paper's experiments on CIFAR-10.

    Raises:
        ValueError: p is outside [0, 1], or alpha is not above 0.
    """

    name: ClassVar[str] = "mixup"
    needs: ClassVar[str] = "the input"
    allows_p_of_one: ClassVar[bool] = True
    noise: ClassVar[type[_BatchMixing]] = Mixup

    def __init__(self, p: float, alpha: float = 1.0) -> None:
        super().__init__(p)
        self.alpha = self.noise(p, 1, alpha).alpha

    def input(self, num_classes: int) -> nn.Module:
        return self.noise(self.p, num_classes, self.alpha)


class CutMixRegulariser(MixupRegulariser):
    """CutMix of training batches; arguments as MixupRegulariser's."""

    name: ClassVar[str] = "cutmix"
    noise: ClassVar[type[_BatchMixing]] = CutMix
