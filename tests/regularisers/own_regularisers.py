"""Regularisers of a user's."""

from torch import nn

from dropexp.regularisers import Dropout2d, Regulariser, SpatialDropout2d
from tests.regularisers.custom_noises import PlainDropout


class Own(Regulariser):
    """A Regulariser of the user's: dropout of channels, or of positions, in maps only."""

    name = "own"
    needs = "activations of maps"

    def __init__(self, p: float, wide: bool = False) -> None:
        super().__init__(p)
        self.wide = wide

    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        return (SpatialDropout2d if self.wide else Dropout2d)(self.p) if spatial else nn.Identity()


class Unmeasurable(Own):
    def activation(self, depth: float, *, spatial: bool = True) -> nn.Module:
        return PlainDropout(self.p)
