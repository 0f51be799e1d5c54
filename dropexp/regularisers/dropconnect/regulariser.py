"""DropConnect on the layers that a model offers."""

from typing import ClassVar, get_args

from torch import nn

from dropexp.errors import ConfigError
from dropexp.regularisers.base import (
    DepthSchedule,
    DepthScheduled,
    FollowingNonlinearity,
    check_choice,
)
from dropexp.regularisers.dropconnect.convolution import DropConnectConv2d
from dropexp.regularisers.dropconnect.layer import Inference, Mask
from dropexp.regularisers.dropconnect.linear import DropConnectLinear


class DropConnectRegulariser(DepthScheduled):
    """DropConnect on every linear and convolution layer of a model.

    Args:
        p: drop probability in [0, 1).
        mask: see DropConnectLinear.
        inference: see DropConnectLinear.
        depth_schedule: see DepthScheduled.

    Raises:
        ValueError: p is outside [0, 1), or an option has an unknown value.
    """

    name: ClassVar[str] = "dropconnect"
    needs: ClassVar[str] = "weights of linear or convolution layers"

    def __init__(
        self,
        p: float,
        mask: Mask = "example",
        inference: Inference = "mean",
        depth_schedule: DepthSchedule = "uniform",
    ) -> None:
        super().__init__(p, depth_schedule)
        check_choice("mask", mask, get_args(Mask))
        check_choice("inference", inference, get_args(Inference))
        self.mask: Mask = mask
        self.inference: Inference = inference

    def weight(
        self,
        layer: nn.Linear | nn.Conv2d,
        depth: float,
        *,
        nonlinearity: FollowingNonlinearity | None = None,
    ) -> nn.Module:
        """See Regulariser.

        Raises:
            ConfigError: inference is "gaussian", and no ReLU directly follows the layer.
        """
        if self.inference == "gaussian" and nonlinearity is None:
            raise ConfigError(
                "regulariser.inference=gaussian needs a ReLU directly after every layer, and this "
                "model has other layers too: use regulariser.inference=mean."
            )
        if isinstance(layer, nn.Linear):
            return DropConnectLinear.from_layer(
                layer, self.p_at(depth), self.mask, self.inference, nonlinearity
            )
        return DropConnectConv2d.from_layer(
            layer, self.p_at(depth), self.mask, self.inference, nonlinearity
        )
