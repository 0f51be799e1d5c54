"""Record the runs of Lightning's Trainer, and compare them.

python examples/lightning_loop.py [FOLDER]

Needs lightning. A callback logs each epoch; ``watch_modes`` looks at the first run, because
frameworks have left networks in the wrong mode.
"""

import sys
from contextlib import nullcontext

import lightning
import torch
from own_loop import make_data, make_network, measure
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import dropexp
from dropexp.api import Recording

EPOCHS, SEEDS = 8, 3

Split = tuple[Tensor, Tensor]


class Classifier(lightning.LightningModule):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: list[Tensor]) -> Tensor:
        images, labels = batch
        return nn.functional.cross_entropy(self.network(images), labels)

    def validation_step(self, batch: list[Tensor]) -> None:
        images, labels = batch
        self.log("val_loss", nn.functional.cross_entropy(self.network(images), labels))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.01)


class Recorder(lightning.Callback):
    """Logs each epoch of a Trainer: both losses measured in eval mode, on whole splits."""

    def __init__(self, run: Recording, training: Split, validation: Split) -> None:
        self.run, self.training, self.validation = run, training, validation

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        network = pl_module.network
        train_loss, train_acc = measure(network, *self.training)
        val_loss, val_acc = measure(network, *self.validation)
        network.train()
        self.run.log(
            train_loss=train_loss, val_loss=val_loss, train_acc=train_acc, val_acc=val_acc, lr=0.01
        )
        trainer.should_stop = self.run.has_diverged


def train(regulariser: str, p: float, seed: int, folder: str) -> None:
    images, labels = make_data(seed)
    training, validation = (images[:100], labels[:100]), (images[100:200], labels[100:200])
    network = make_network(p, seed)
    with dropexp.record(
        data="dots",
        model="one convolution",
        regulariser=regulariser,
        p=p,
        seed=seed,
        epochs=EPOCHS,
        options={"optimiser.name": "adam", "optimiser.lr": 0.01, "train.framework": "lightning"},
        study="lightning",
        audit=dropexp.audit(network, images[:64]),
        runs_dir=folder,
    ) as run:
        if run.is_finished:
            return
        trainer = lightning.Trainer(
            max_epochs=EPOCHS,
            accelerator="cpu",
            callbacks=[Recorder(run, training, validation)],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        order = torch.Generator().manual_seed(seed)
        batches = DataLoader(TensorDataset(*training), 20, shuffle=True, generator=order)
        watched = dropexp.watch_modes(network) if p and seed == 0 else nullcontext()
        with watched as report:
            trainer.fit(Classifier(network), batches, DataLoader(TensorDataset(*validation), 100))
        if report is not None:
            report.raise_if_wrong()
        test_loss, test_acc = measure(network, images[200:], labels[200:])
        run.log_test(test_loss=test_loss, test_acc=test_acc, at="last")


def main(folder: str = "runs") -> None:
    torch.set_num_threads(1)
    for seed in range(SEEDS):
        train("none", 0.0, seed, folder)
        train("dropout2d", 0.5, seed, folder)
    print(dropexp.compare("study=lightning", runs_dir=folder, at="last"))


if __name__ == "__main__":
    main(*sys.argv[1:])
