"""DropConnect: a random mask for every weight, per example or per batch.

A linear layer or a convolution comes in; a layer with the same parameters and noisy weights
goes out.
"""
