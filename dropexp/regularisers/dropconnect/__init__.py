"""DropConnect: a random mask on every weight, for each example or for each batch.

A linear layer or a convolution comes in; a layer with the same parameters and noisy weights
goes out. regulariser.py asks for it, linear.py and convolution.py are the two layers, layer.py is
what they share, masked_convolution.py is the arithmetic.

Wan et al. 2013, "Regularization of neural networks using DropConnect". Their weights are kept
with probability p; here p is the probability to drop, and kept weights are divided by 1 − p in
training instead of being multiplied in evaluation.
"""

from dropexp.regularisers.dropconnect.convolution import DropConnectConv2d
from dropexp.regularisers.dropconnect.linear import DropConnectLinear
from dropexp.regularisers.dropconnect.regulariser import DropConnectRegulariser

__all__ = ["DropConnectConv2d", "DropConnectLinear", "DropConnectRegulariser"]
