"""The small CNN: the article's MyModel with a head.

Shapes: N examples, C channels, H × W positions.
"""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.config.model_section import Nonlinearity
from dropexp.data import ImageShape
from dropexp.models.nonlinearity import apply_nonlinearity, initialise
from dropexp.models.shortcut import PaddedShortcut
from dropexp.regularisers import FollowingNonlinearity, Regulariser


class SmallCNN(nn.Module):
    """conv 3×3 → dropout1 → ReLU → conv 3×3 → dropout2 → ReLU → head.

    The article's network has no head; here a linear layer reads all positions (``flatten``) or
    their mean (``gap``, global average pooling). With ``shortcut`` the second convolution is a
    residual branch; its input is added with zero channels appended. With SELU the activation sites
    are after the non-linearity (see nonlinearity.py).

    Args:
        image_shape: (C, H, W) of one image.
        num_classes: the number of logits.
        regulariser: fills two activation sites, two weight sites and, with ``shortcut``, one
            branch site.
        width: channels of the first convolution; the second has twice as many.
        head: ``flatten`` or ``gap``.
        shortcut: whether conv2 is a residual branch.
        nonlinearity: ``relu`` or ``selu``.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        num_classes: int,
        regulariser: Regulariser,
        *,
        width: int = 64,
        head: Literal["flatten", "gap"] = "flatten",
        shortcut: bool = False,
        nonlinearity: Nonlinearity = "relu",
    ) -> None:
        super().__init__()
        channels, height, image_width = image_shape
        conv1 = nn.Conv2d(channels, width, 3, padding=1)
        conv2 = nn.Conv2d(width, 2 * width, 3, padding=1)
        for conv in (conv1, conv2):
            initialise(nonlinearity, conv)
        self.nonlinearity = nonlinearity
        follows: FollowingNonlinearity | None = "relu" if nonlinearity == "relu" else None
        self.conv1 = regulariser.weight(conv1, 1 / 2, nonlinearity=follows)
        self.dropout1 = regulariser.activation(1 / 2)
        # A shortcut is added between conv2 and its non-linearity.
        self.conv2 = regulariser.weight(conv2, 1.0, nonlinearity=None if shortcut else follows)
        self.dropout2 = regulariser.activation(1.0)
        self.shortcut = PaddedShortcut(width, 2 * width) if shortcut else None
        self.gate = regulariser.branch(1.0) if shortcut else None
        self.pool = nn.AdaptiveAvgPool2d(1) if head == "gap" else nn.Identity()
        positions = 1 if head == "gap" else height * image_width
        self.head = nn.Linear(2 * width * positions, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, num_classes) for images (N, C, H, W)."""
        x = apply_nonlinearity(self.nonlinearity, self.dropout1, self.conv1(x))
        if self.gate is None or self.shortcut is None:
            x = apply_nonlinearity(self.nonlinearity, self.dropout2, self.conv2(x))
        elif self.nonlinearity == "relu":
            x = F.relu(self.shortcut(x) + self.gate(self._noisy_branch, x))
        else:
            summed = self.shortcut(x) + self.gate(self.conv2, x)
            x = apply_nonlinearity(self.nonlinearity, self.dropout2, summed)
        return self.head(self.pool(x).flatten(1))  # type: ignore[no-any-return]

    def _noisy_branch(self, x: Tensor) -> Tensor:
        return self.dropout2(self.conv2(x))  # type: ignore[no-any-return]
