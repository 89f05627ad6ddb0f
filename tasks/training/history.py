"""The learning curve of a fit: a CSV file with a line an epoch, as Keras's CSVLogger writes it."""

import csv
from collections.abc import Sequence
from pathlib import Path

Epoch = dict[str, float]


def read(path: Path) -> list[Epoch]:
    """The epochs of a file, none where there is no file; of an epoch that was repeated, the last line.

    A line that a full disk has cut short does not count.

    Each has epoch (from 1), loss, accuracy, what it cost in cpu_seconds and wall_seconds and, where it was judged,
    val_loss and val_accuracy. The losses are plain cross-entropy, also where the fit minimises something else.
    """
    if not path.exists():
        return []
    with path.open(newline="") as file:
        lines = {int(line["epoch"]): line for line in csv.DictReader(file) if None not in line.values()}
    return [_epoch(epoch, line) for epoch, line in sorted(lines.items())]


def cut(path: Path, epochs: int) -> None:
    """Leave in the file, if there is one, no more than so many epochs, each once, as they were written."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        lines = csv.DictReader(file)
        kept = {int(line["epoch"]): line for line in lines if None not in line.values() and int(line["epoch"]) < epochs}
        names = lines.fieldnames or ()
    if not kept:
        path.unlink()
        return
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(kept.values())


def write(path: Path, history: Sequence[Epoch]) -> None:
    """Epochs counted from 0 in the file, as CSVLogger does."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, history[0])
        writer.writeheader()
        writer.writerows(epoch | {"epoch": int(epoch["epoch"]) - 1} for epoch in history)


def best(history: Sequence[Epoch]) -> int:
    """The epoch with the lowest validation loss; the last where none was judged."""
    return int(min(history, key=lambda epoch: epoch.get("val_loss", -epoch["epoch"]))["epoch"])


def _epoch(number: int, line: dict[str, str]) -> Epoch:
    # CSVLogger has NA for what was not judged.
    values = {name: float(text) for name, text in line.items() if name != "epoch" and text != "NA"}
    for judged in ("", "val_"):
        if f"{judged}cross_entropy" in values:
            values[f"{judged}loss"] = values.pop(f"{judged}cross_entropy")
    return {"epoch": number + 1, **values}
