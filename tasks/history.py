"""The learning curve of a fit: a CSV file with a line an epoch, as Keras's CSVLogger writes it."""

import csv
from pathlib import Path

Epoch = dict[str, float]


def read(path: Path) -> list[Epoch]:
    """Epoch (from 1), loss, accuracy, val_loss, val_accuracy of each epoch; of one that was repeated, the last.

    The losses are plain cross-entropy, also where the fit minimises a smoothed one.
    """
    with path.open(newline="") as file:
        lines = {int(line["epoch"]): line for line in csv.DictReader(file)}
    return [
        {
            "epoch": epoch + 1,
            "loss": float(line.get("cross_entropy", line["loss"])),
            "accuracy": float(line["accuracy"]),
            "val_loss": float(line.get("val_cross_entropy", line["val_loss"])),
            "val_accuracy": float(line["val_accuracy"]),
        }
        for epoch, line in sorted(lines.items())
    ]


def write(path: Path, history: list[Epoch]) -> None:
    """Epochs counted from 0 in the file, as CSVLogger does."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        writer.writerows(epoch | {"epoch": int(epoch["epoch"]) - 1} for epoch in history)
