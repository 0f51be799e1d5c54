"""DropConnect: a random mask on every weight, for each example or for each batch.

A linear layer or a convolution comes in; a layer with the same parameters and noisy weights goes
out. regulariser.py puts it into a model. linear.py and convolution.py are the two layers, layer.py
is their common base, masked_convolution.py the computation with a mask for each example.

Wan et al. 2013, "Regularization of neural networks using DropConnect". There p is the
probability that a weight is kept; here it is the probability that it is dropped, and kept weights
are divided by 1 − p in training.
"""

from dropexp.regularisers.dropconnect.convolution import DropConnectConv2d
from dropexp.regularisers.dropconnect.linear import DropConnectLinear
from dropexp.regularisers.dropconnect.regulariser import DropConnectRegulariser

__all__ = ["DropConnectConv2d", "DropConnectLinear", "DropConnectRegulariser"]
