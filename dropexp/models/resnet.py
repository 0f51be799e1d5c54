"""The CIFAR ResNet of He et al. 2016, "Deep residual learning for image recognition", section 4.2.

Shapes: N examples, C channels, H × W positions.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from dropexp.config.model_section import DropoutSite
from dropexp.data import ImageShape
from dropexp.errors import ConfigError
from dropexp.models.shortcut import PaddedShortcut
from dropexp.regularisers import Regulariser

STAGES = 3
_SMALLEST_SIDE = 5
"""In pixels. For smaller images, maps of the third stage have one position, too few for a norm."""


class BasicBlock(nn.Module):
    """ReLU(shortcut(x) + gate(f, x)) with f = conv → BN → activation site → ReLU → conv → BN.

    With ``before_norm`` the site is between the first convolution and its BN; with ``last`` the
    block has none.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        regulariser: Regulariser,
        depth: float,
        dropout_site: DropoutSite = "after_norm",
    ) -> None:
        super().__init__()
        conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv1 = regulariser.weight(_initialise(conv1), depth)
        self.bn1 = nn.BatchNorm2d(channels)
        self.dropout = nn.Identity() if dropout_site == "last" else regulariser.activation(depth)
        self.is_before_norm = dropout_site == "before_norm"
        self.conv2 = regulariser.weight(_initialise(conv2), depth)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = PaddedShortcut(in_channels, channels, stride)
        self.gate = regulariser.branch(depth)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, ⌈H/stride⌉, ⌈W/stride⌉) for x of shape (N, C_in, H, W)."""
        return F.relu(self.shortcut(x) + self.gate(self._branch, x))

    def _branch(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        x = self.bn1(self.dropout(x)) if self.is_before_norm else self.dropout(self.bn1(x))
        return self.bn2(self.conv2(F.relu(x)))  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """A stem convolution, three stages of n basic blocks, mean over positions, a linear head.

    Args:
        image_shape: (C, H, W), at least 5 × 5 positions.
        num_classes: the number of logits.
        regulariser: fills one activation site, two weight sites and one branch site per block;
            the stem and the head are left plain, as in Huang et al. 2016.
        depth: 6n + 2 weighted layers, with n ≥ 1 blocks in each stage.
        width: channels of the first stage, doubled in each of the next two.
        dropout_site: where the activation sites are: ``after_norm`` or ``before_norm``, one in
            each block, beside its first BN; ``last``, a single one before the head, on the vector
            of means, where no BN follows (Li et al. 2019, "Understanding the disharmony between
            dropout and batch normalization by variance shift"). Without noise all are the same
            network.

    Raises:
        ConfigError: the images have fewer than 5 × 5 positions.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        num_classes: int,
        regulariser: Regulariser,
        *,
        depth: int = 20,
        width: int = 16,
        dropout_site: DropoutSite = "after_norm",
    ) -> None:
        super().__init__()
        channels, height, image_width = image_shape
        if min(height, image_width) < _SMALLEST_SIDE:
            raise ConfigError(
                f"model=resnet halves its maps twice: images of {height}×{image_width} are too "
                f"small. Allowed: {_SMALLEST_SIDE}×{_SMALLEST_SIDE} and larger."
            )
        self.stem = _initialise(nn.Conv2d(channels, width, 3, padding=1, bias=False))
        self.bn = nn.BatchNorm2d(width)
        self.blocks = self._make_stages(width, (depth - 2) // 6, regulariser, dropout_site)
        is_last = dropout_site == "last"
        self.dropout = regulariser.activation(1.0, spatial=False) if is_last else nn.Identity()
        self.head = nn.Linear(width * 2 ** (STAGES - 1), num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, num_classes) for images (N, C, H, W)."""
        x = self.blocks(F.relu(self.bn(self.stem(x))))
        return self.head(self.dropout(x.mean(dim=(2, 3))))  # type: ignore[no-any-return]

    @staticmethod
    def _make_stages(
        width: int, blocks_per_stage: int, regulariser: Regulariser, dropout_site: DropoutSite
    ) -> nn.Sequential:
        total = STAGES * blocks_per_stage
        blocks = []
        in_channels = width
        for index in range(total):
            stage, first_of_stage = index // blocks_per_stage, index % blocks_per_stage == 0
            channels = width * 2**stage
            stride = 2 if first_of_stage and stage > 0 else 1
            depth = (index + 1) / total
            block = BasicBlock(in_channels, channels, stride, regulariser, depth, dropout_site)
            blocks.append(block)
            in_channels = channels
        return nn.Sequential(*blocks)


def _initialise(conv: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
