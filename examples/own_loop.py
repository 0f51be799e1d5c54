"""Record the runs of a training loop of your own, and compare them.

python examples/own_loop.py [FOLDER]

The data is made up, so that nothing is downloaded. Each seed has its own data, initial weights and
batches, which all settings share: that makes their runs pairs. Run it twice: nothing is trained
again.
"""

import sys
from contextlib import nullcontext
from copy import deepcopy

import torch
from torch import Tensor, nn

import dropexp

EPOCHS, SEEDS = 15, 6


def make_data(seed: int) -> tuple[Tensor, Tensor]:
    """Return 300 images of 8×8 in two noisy classes, and their labels."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (300,), generator=random)
    images = torch.randn(300, 1, 8, 8, generator=random)
    images[:, 0, 2:6, 2:6] += 0.35 * labels[:, None, None]
    return images, labels


def make_network(p: float, seed: int) -> nn.Module:
    torch.manual_seed(seed)  # the same initial weights with and without dropout
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 64, 2)
    )
    if p:
        dropexp.regularise(network, "dropout2d", p=p)
    return network


@torch.no_grad()
def measure(network: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return loss and accuracy in eval mode."""
    network.eval()
    logits = network(images)
    loss = nn.functional.cross_entropy(logits, labels).item()
    return loss, (logits.argmax(1) == labels).float().mean().item()


def train_one_epoch(
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    order: torch.Generator,
) -> list[float]:
    """Return the losses of the training steps."""
    network.train()
    losses = []
    for batch in torch.randperm(len(images), generator=order).split(20):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def train(regulariser: str, p: float, seed: int, folder: str) -> None:
    images, labels = make_data(seed)
    network = make_network(p, seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    with dropexp.record(
        data="dots",
        model="one convolution",
        regulariser=regulariser,
        p=p,
        seed=seed,
        epochs=EPOCHS,
        options={"optimiser.name": "adam", "optimiser.lr": 0.01},
        study="own-loop",
        parameters=sum(each.numel() for each in network.parameters()),
        audit=dropexp.audit(network, images[:64]),  # is the regulariser on, and only in training?
        runs_dir=folder,
    ) as run:
        for epoch in run.epochs:
            order = torch.Generator().manual_seed(1000 * seed + epoch)
            # Is each pass in the right mode? One epoch tells.
            watched = dropexp.watch_modes(network) if epoch == 1 else nullcontext()
            with watched as report:
                losses = train_one_epoch(network, optimiser, images[:100], labels[:100], order)
                train_loss, train_acc = measure(network, images[:100], labels[:100])
                val_loss, val_acc = measure(network, images[100:200], labels[100:200])
            if report is not None:
                report.raise_if_wrong()
            run.log(
                train_loss=train_loss,
                train_acc=train_acc,
                val_loss=val_loss,
                val_acc=val_acc,
                noisy_train_loss=sum(losses) / len(losses),
                lr=0.01,
            )
            if run.is_best:
                best = deepcopy(network.state_dict())
        if run.is_finished:
            return
        for at in ("last", "best"):
            if at == "best":
                network.load_state_dict(best)
            test_loss, test_acc = measure(network, images[200:], labels[200:])
            run.log_test(test_loss=test_loss, test_acc=test_acc, at=at)


def main(folder: str = "runs") -> None:
    torch.set_num_threads(1)
    for seed in range(SEEDS):
        for regulariser, p in (("none", 0.0), ("dropout2d", 0.5)):
            train(regulariser, p, seed, folder)
    print(dropexp.compare("study=own-loop", runs_dir=folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
