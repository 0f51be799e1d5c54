"""The default run as most people write it: scikit-learn's digits and a plain loop over batches.

Each set, also the test set, is evaluated in one batch after every epoch.
"""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(0)
digits = load_digits()
images, labels = digits.images[:, None] / 16.0, digits.target
x_train, x_rest, y_train, y_rest = train_test_split(
    images, labels, train_size=400, stratify=labels, random_state=0
)
x_val, x_test, y_val, y_test = train_test_split(
    x_rest, y_rest, train_size=300, test_size=797, stratify=y_rest, random_state=0
)
sets = {
    name: (torch.tensor(x, dtype=torch.float32), torch.tensor(y))
    for name, x, y in (
        ("train", x_train, y_train),
        ("val", x_val, y_val),
        ("test", x_test, y_test),
    )
}
x, y = sets["train"]
noisy = torch.rand(len(y)) < 0.2
y[noisy] = torch.randint(0, 10, (int(noisy.sum()),))

model = nn.Sequential(
    nn.Conv2d(1, 64, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(64, 128, 3, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(128 * 8 * 8, 10),
)
optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(30):
    model.train()
    for batch in torch.randperm(len(y)).split(64):
        optimiser.zero_grad()
        loss = F.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        line = []
        for name, (inputs, targets) in sets.items():
            logits = model(inputs)
            acc = (logits.argmax(1) == targets).float().mean().item()
            line.append(f"{name} {F.cross_entropy(logits, targets).item():.3f} {acc:.3f}")
    print(epoch + 1, *line)
