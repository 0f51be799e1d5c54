"""The source of networks that a user could have written."""

NET = """
import torch
from torch import nn
from torch.nn import functional as F

class Net(nn.Module):
    def __init__(self, in_channels, num_classes, width=4):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, width, 3)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.head(self.dropout(F.relu(self.conv(x)).mean((2, 3))))

class Announcing(Net):
    def __init__(self, image_shape, num_classes, regulariser):
        super().__init__(image_shape[0], num_classes)
        self.noise = regulariser.activation(1.0)

    def forward(self, x):
        return self.head(F.relu(self.noise(self.conv(x))).mean((2, 3)))

class Pair(Net):
    def forward(self, x):
        return super().forward(x), x

class Softmax(Net):
    def forward(self, x):
        return super().forward(x).softmax(1)

class Narrow(Net):
    def forward(self, x):
        return super().forward(x)[:, :2]

class Needs(Net):
    def __init__(self, in_channels, num_classes, heads):
        super().__init__(in_channels, num_classes)

class Fails(Net):
    def __init__(self):
        super().__init__("three", 2)

def build_net(num_classes, **options):
    return Net(1, num_classes, **options)

def build_by_keywords(**options):
    return Net(1, options.pop("num_classes", 1000))

def nothing():
    return None
"""

ODD = '''
import sys
from torch import nn
import torch

class Shared(nn.Module):
    """A layer has two names, as where a backbone is also reached through its parts."""
    def __init__(self, num_classes):
        super().__init__()
        self.first = nn.Linear(64, 64)
        self.norm = nn.BatchNorm1d(64)
        self.again, self.norm_again = self.first, self.norm
        self.head = nn.Linear(64, num_classes)
    def forward(self, x):
        return self.head(self.norm(self.again(self.first(x.flatten(1)).relu())))

class Counting(Shared):
    def __init__(self, num_classes):
        super().__init__(num_classes)
        self.register_buffer("calls", torch.zeros(()))
        self.first = nn.Linear(64, 64)
    def forward(self, x):
        self.calls = self.calls + 1
        return super().forward(x)

class Whole(Shared):
    def forward(self, x):
        return super().forward(x).long()

class Exiting(Shared):
    def forward(self, x):
        sys.exit(0)
'''
