"""Record the runs of a loop in the manner of timm's train.py, and compare them.

python examples/timm_loop.py [FOLDER]

Needs timm. The network is timm's; dropexp puts stochastic depth into its residual branches.
"""

import sys

import timm
import torch
from own_loop import make_data, measure
from timm.optim import create_optimizer_v2
from timm.utils import AverageMeter
from torch import Tensor, nn

import dropexp

EPOCHS, SEEDS, LR = 3, 2, 0.01


def make_images(seed: int) -> tuple[Tensor, Tensor]:
    """Return the dots of own_loop.py at 32×32 pixels."""
    images, labels = make_data(seed)
    return nn.functional.interpolate(images, scale_factor=4), labels


def make_network(p: float, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    network: nn.Module = timm.create_model("resnet10t", num_classes=2, in_chans=1)
    if p:
        dropexp.regularise(network, "stochastic_depth", p=p)
    return network


def train_one_epoch(
    network: nn.Module, optimiser: torch.optim.Optimizer, images: Tensor, labels: Tensor, order: int
) -> float:
    """Return the mean loss of the training steps."""
    network.train()
    losses = AverageMeter()
    for batch in torch.randperm(len(images), generator=torch.Generator().manual_seed(order)).split(
        20
    ):
        loss = nn.functional.cross_entropy(network(images[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.update(loss.item(), len(batch))
    return float(losses.avg)


def train(regulariser: str, p: float, seed: int, folder: str) -> None:
    images, labels = make_images(seed)
    network = make_network(p, seed)
    optimiser = create_optimizer_v2(network, opt="sgd", lr=LR, momentum=0.9)
    with dropexp.record(
        data="dots at 32 pixels",
        model="resnet10t",
        regulariser=regulariser,
        p=p,
        seed=seed,
        epochs=EPOCHS,
        options={"optimiser.name": "sgd", "optimiser.lr": LR, "train.framework": "timm"},
        study="timm",
        audit=dropexp.audit(network, images[:32]),
        runs_dir=folder,
    ) as run:
        for epoch in run.epochs:
            with dropexp.watch_modes(network) as report:
                noisy = train_one_epoch(
                    network, optimiser, images[:100], labels[:100], 1000 * seed + epoch
                )
                train_loss, train_acc = measure(network, images[:100], labels[:100])
                val_loss, val_acc = measure(network, images[100:200], labels[100:200])
            report.raise_if_wrong()
            run.log(
                train_loss=train_loss,
                val_loss=val_loss,
                train_acc=train_acc,
                val_acc=val_acc,
                noisy_train_loss=noisy,
                lr=LR,
            )
    print(f"{run.run_id} recorded")


def main(folder: str = "runs") -> None:
    torch.set_num_threads(1)
    for seed in range(SEEDS):
        train("none", 0.0, seed, folder)
        train("stochastic_depth", 0.3, seed, folder)
    print(dropexp.compare("study=timm", runs_dir=folder, metric="val_loss"))


if __name__ == "__main__":
    main(*sys.argv[1:])
