"""The shortcut of a residual network, without parameters."""

from torch import Tensor, nn
from torch.nn import functional as F


class PaddedShortcut(nn.Module):
    """The identity if shapes agree, else every stride-th position and zeros in new channels.

    Option A of He et al. 2016, "Deep residual learning for image recognition", section 4.2. It adds
    no parameters, so networks with and without it have equally many.

    Args:
        in_channels: C of the input.
        out_channels: C of the output, at least in_channels; the new channels come last.
        stride: the stride of the branch that it bypasses.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.new_channels = out_channels - in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C_out, ⌈H/stride⌉, ⌈W/stride⌉) for x of shape (N, C_in, H, W)."""
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.new_channels > 0:
            x = F.pad(x, (0, 0, 0, 0, 0, self.new_channels))
        return x
