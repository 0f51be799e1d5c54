"""The shortcut without parameters."""

from torch import Tensor, nn
from torch.nn import functional as F


class PaddedShortcut(nn.Module):
    """Identity where shapes agree, else every stride-th position and zeros for new channels.

    Option A of He et al., Deep Residual Learning for Image Recognition, CVPR 2016, section 4.2:
    it adds no parameters, so that networks with and without it are compared at equal size.

    Args:
        in_channels: C of the input.
        out_channels: C of the output, at least in_channels; the new channels come last.
        stride: of the branch that it goes around.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.new_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) to (N, C_out, ⌈H/stride⌉, ⌈W/stride⌉)."""
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.new_channels > 0:
            x = F.pad(x, (0, 0, 0, 0, 0, self.new_channels))
        return x
