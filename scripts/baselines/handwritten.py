"""The default run of `dropexp train` written by hand: the baseline of dropexp's speed.

The same training (small CNN, digits, Adam, 30 epochs of 400 images, noisy labels) and the same
clean evaluation of the training and validation set after every epoch, from tensors in memory,
evaluated in chunks. The test set is evaluated once. No configuration, no files, no audit, and no
metrics of the other labels (clean_label_train_*, noisy_label_val_*), which dropexp takes from the
same outputs.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIGITS = Path(__file__).parents[2] / "dropexp" / "data" / "digits.npz"
EPOCHS, BATCH = 30, 64


class Net(nn.Module):
    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p
        self.conv1 = nn.Conv2d(1, 64, 3, padding=1)
        self.conv2 = nn.Conv2d(64, 128, 3, padding=1)
        self.head = nn.Linear(128 * 8 * 8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.dropout2d(self.conv1(x), self.p, self.training))
        x = F.relu(F.dropout2d(self.conv2(x), self.p, self.training))
        logits: Tensor = self.head(x.flatten(1))
        return logits


def load() -> list[tuple[Tensor, Tensor]]:
    arrays = np.load(DIGITS)
    images = torch.from_numpy(arrays["images"]).float()
    labels = torch.from_numpy(arrays["labels"]).long()
    order = torch.randperm(len(labels))
    train, val, test = order[:400], order[400:700], order[1000:]
    images = (images - images[train].mean()) / images[train].std()
    noisy = torch.rand(400) < 0.2
    labels[train[noisy]] = (labels[train[noisy]] + torch.randint(1, 10, (int(noisy.sum()),))) % 10
    return [(images[part], labels[part]) for part in (train, val, test)]


def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    model.eval()
    loss = hits = 0.0
    with torch.inference_mode():
        for x, y in zip(images.split(128), labels.split(128), strict=True):
            logits = model(x)
            loss += F.cross_entropy(logits, y, reduction="sum").item()
            hits += (logits.argmax(1) == y).sum().item()
    return loss / len(labels), hits / len(labels)


def train(model: nn.Module, splits: list[tuple[Tensor, Tensor]], epochs: int = EPOCHS) -> None:
    (images, labels), (val_images, val_labels), _ = splits
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(epochs):
        model.train()
        for batch in torch.randperm(len(labels)).split(BATCH):
            loss = F.cross_entropy(model(images[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        evaluate(model, images, labels)
        evaluate(model, val_images, val_labels)


def main() -> None:
    torch.manual_seed(0)
    splits = load()
    model = Net(p=float(sys.argv[1]) if len(sys.argv) > 1 else 0.0)
    train(model, splits)
    print(evaluate(model, *splits[2]))


if __name__ == "__main__":
    main()
