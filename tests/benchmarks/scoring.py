"""Scoring: whole processes beside the plain script, inference beside Keras and ONNX Runtime, and its memory."""

import importlib.util
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from tasks.data import digits as digit_files
from tasks.data.sources import tables_in
from tasks.models.packaged import FLOAT32, INT8, form_here
from tasks.store import Artifact, Store
from tests.benchmarks.cascade import cascade
from tests.benchmarks.measure import Run, digits, limit, run, show

ROUNDS = 3
ROWS = 28_000

# One worker with one thread, against which two are measured: the command itself would take a thread for each core.
ONE_THREAD = (
    "from tasks.scoring import processes; processes.threads_per_worker = lambda workers: 1;"
    "from flows.cli import main; main()"
)

INFERENCE = """
import json, sys, time
import numpy as np
from pathlib import Path
from tasks.data import digits
images = digits.read(Path(sys.argv[2])).images[:8_000]
if sys.argv[1] == "keras":
    import keras
    import tensorflow
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    model = keras.models.load_model(sys.argv[3])
    ask = lambda some: model.predict(some[..., None], verbose=0)
elif sys.argv[1] == "onnx":
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(sys.argv[3], options)
    name = session.get_inputs()[0].name
    batches = lambda some: (some[at : at + 500, ..., None].astype(np.float32) for at in range(0, len(some), 500))
    ask = lambda some: np.concatenate([session.run(None, {name: batch})[0] for batch in batches(some)])
elif sys.argv[1].endswith("alone"):
    from tasks.models.scorer import Scorer
    ask = Scorer(Path(sys.argv[3]), threads=1).logits
else:
    from tasks.models.packaged import models_of
    from tasks.models.scorer import Engine
    from tasks.store import Artifact
    engine = Engine(models_of(Artifact.at(Path(sys.argv[3]).parent), Path(sys.argv[3]).name), threads=1)
    ask = lambda some: np.concatenate([engine.answer(some[at : at + 2_000])[0] for at in range(0, len(some), 2_000)])
ask(images[:500])
best = []
for _ in range(3):
    wall, cpu = time.perf_counter(), time.process_time()
    answers = ask(images).argmax(axis=1)
    best.append((time.perf_counter() - wall, time.process_time() - cpu))
print(json.dumps({"wall": min(best)[0], "cpu": min(cpu for _, cpu in best), "answers": answers.tolist()}))
"""

EXPORT = """
import sys, keras, numpy
model = keras.models.load_model(sys.argv[1])
model(numpy.zeros((1, 28, 28, 1), numpy.float32))  # it exports none that was never called
model.export(sys.argv[2], format="onnx", verbose=False)
"""


def scoring(archive: str, home: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        table = Path(members.extract("test.csv", home))
    digits("run", "--data", archive, home=home)
    store = Store(home / "artifacts")
    package = next(one for one in store.all() if one.kind == "package")
    prepared = next(one for one in store.all() if one.kind == "prepared")

    def score(*arguments: str, program: Callable[..., Run] = digits) -> Run:
        """A run that finds nothing done."""
        for one in store.all():
            if one.kind == "scores":
                shutil.rmtree(one.path)
        return program("score", *arguments, "--output", "ours.csv", "--force", home=home)

    first = _best(lambda: digits("--help", home=home))
    show("digits --help", first.cpu, first.wall, first.rss)
    limit("wall seconds of digits --help", first.wall, most=0.4)
    cascade(package, prepared)
    _beside_the_plain_script(table, package, score, home)
    _inference(package, prepared.path / "validation.parquet", home)
    _volume(table, score, home)


def _best(measured: Callable[[], Run]) -> Run:
    return min((measured() for _ in range(ROUNDS)), key=lambda one: one.cpu)


def _beside_the_plain_script(table: Path, package: Artifact, score: Callable[..., Run], home: Path) -> None:
    model = str(package.path / "model.keras")
    plain = _best(lambda: run("-m", "tests.benchmarks.reference", "predict", str(table), model, home=home))
    show("test.csv, pandas and Keras predict", plain.cpu, plain.wall, plain.rss)
    alone = _best(lambda: score(str(table), "--no-cascade"))
    show("test.csv, digits score --no-cascade", alone.cpu, alone.wall, alone.rss)
    ours = _best(lambda: score(str(table)))
    show("test.csv, digits score", ours.cpu, ours.wall, ours.rss)
    limit("wall of the plain script against ours", plain.wall / ours.wall, least=7)
    limit("CPU of the plain script against ours", plain.cpu / ours.cpu, least=12 if form_here() == INT8 else 8)
    limit("peak RSS of digits score, MB", ours.rss, most=200)
    same = [
        one == other
        for one, other in zip(
            *((home / name).read_text().splitlines() for name in ("plain.csv", "ours.csv")), strict=True
        )
    ]
    limit("answers that are the plain script's, percent", 100 * sum(same) / len(same), least=99.9)


def _inference(package: Artifact, images: Path, home: Path) -> None:
    """8,000 images through the same model, without its loading; all engines with one thread."""
    engines = {"keras": package.path / "model.keras"}
    for form in (FLOAT32, INT8):
        engines |= {f"{form} alone": package.path / form, f"the cascade, {form}": package.path / form}
    if all(map(importlib.util.find_spec, ("onnxruntime", "tf2onnx"))):
        engines["onnx"] = home / "model.onnx"
        run("-c", EXPORT, str(engines["keras"]), str(engines["onnx"]), home=home)
    labels = digit_files.read(images).known_labels[:8_000]
    costs = {}
    for name, model in engines.items():
        if model.exists():
            cost = json.loads(run("-c", INFERENCE, name, str(images), str(model), home=home).out)
            costs[name] = cost
            right = sum(one == other for one, other in zip(cost["answers"], labels.tolist(), strict=True))
            note = f"{len(labels) / cost['cpu']:,.0f} images a CPU second, {right / len(labels):.2%} right"
            show(f"8,000 images, {name}", cost["cpu"], cost["wall"], note=note)
    ours = costs[f"the cascade, {form_here()}"]["cpu"]
    limit("inference: CPU of Keras predict against ours", costs["keras"]["cpu"] / ours, least=10)
    if "onnx" in costs:
        limit("inference: CPU of ONNX Runtime against ours", costs["onnx"]["cpu"] / ours, least=6)
    else:
        print("         ONNX Runtime: not measured, onnxruntime and tf2onnx are not installed")


def _volume(table: Path, score: Callable[..., Run], home: Path) -> None:
    """The same rows ten and a hundred times over; as Parquet; and by two workers."""
    some = _times(table, 10, home)
    ten = score(str(some))
    show(f"{10 * ROWS:,} rows, CSV", ten.cpu, ten.wall, ten.rss, f"{10 * ROWS / ten.wall:,.0f} rows a second")
    parquet = home / "ten.parquet"
    with digit_files.Writer(parquet) as writer:
        for batch in tables_in(some)[0].read():
            writer.write(batch.digits)
    packed = score(str(parquet))
    show(f"{10 * ROWS:,} rows, Parquet", packed.cpu, packed.wall, packed.rss)
    limit("rate of Parquet against that of CSV", ten.wall / packed.wall, least=1.3)

    def program(*arguments: str, home: Path) -> Run:
        return run("-c", ONE_THREAD, *arguments, home=home)

    one = score(str(some), program=program)
    show(f"{10 * ROWS:,} rows, CSV, one worker of one thread", one.cpu, one.wall, one.rss)
    two = score(str(some), "--workers", "2", "--shard-rows", "20000")
    show(f"{10 * ROWS:,} rows, CSV, two workers", two.cpu, two.wall, two.rss)
    limit("wall of one worker against that of two", one.wall / two.wall, least=1.8)
    some.unlink()
    many = _times(table, 100, home)
    hundred = score(str(many))
    note = f"{100 * ROWS / hundred.wall:,.0f} rows a second"
    show(f"{100 * ROWS:,} rows, CSV", hundred.cpu, hundred.wall, hundred.rss, note)
    limit("peak RSS of 2.8 million rows against that of 280,000", hundred.rss / ten.rss, most=1.1)
    limit("CPU seconds a row of 280,000 against 2.8 million", 10 * ten.cpu / hundred.cpu, least=1)


def _times(table: Path, times: int, home: Path) -> Path:
    """The table's rows so many times over."""
    path = home / f"{times}.csv"
    header, rows = table.read_bytes().split(b"\n", 1)
    with path.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(rows)
    return path
