"""Run the benchmarks and print a table: CPU seconds (user and system, of all processes), wall seconds, peak RSS.

`python -m tests.benchmarks` measures the embedded digits; with a path to Kaggle's zip, that too, and the plain script.
What is named behind the path is measured instead: `pictures`; `scoring`; `recipes`, `fast` against `cnn-basic`, three
seeds each; `splits`, `fast` on five splits; `best`, that recipe on three splits (two hours each).
"""

import json
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tasks.store import Store
from tasks.training import recipes
from tests.benchmarks.measure import Run, digits, limit, made, missed, run, show
from tests.benchmarks.pictures import pictures
from tests.benchmarks.scoring import scoring
from tests.benchmarks.splits import best_over_splits, fast_over_splits


@dataclass(frozen=True)
class Pipeline:
    """What two runs of `digits run` cost, the second with nothing to do. fit: CPU seconds. accuracy: percent."""

    first: Run
    again: Run
    fit: float
    fit_wall: float
    accuracy: float


def pipeline(name: str, home: Path, *arguments: str) -> Pipeline:
    first = digits("run", *arguments, home=home)
    found_first = Store(home / "artifacts").all()
    artifacts = {artifact.kind: artifact for artifact in found_first}
    found = artifacts["evaluation"].metrics
    models = [artifact.metrics for artifact in found_first if artifact.kind == "model"]  # the first reader's is another
    fit, fit_wall = (sum(model[f"fit_{clock}_seconds"] for model in models) for clock in ("cpu", "wall"))
    show(name, first.cpu, first.wall, first.rss, f"{found['accuracy']:.2%} of {found['images']:,} validation digits")
    show("  of which the fit", fit, fit_wall)
    show("  of which all else", first.cpu - fit, first.wall - fit_wall)
    again = digits("run", *arguments, home=home)
    show("  the same again", again.cpu, again.wall, again.rss)
    if Store(home / "artifacts").all() != found_first:
        missed.append(f"{name}: nothing is done twice")
    return Pipeline(first, again, fit, fit_wall, 100 * found["accuracy"])


def plain(source: str, home: Path) -> dict[str, float]:
    """The plain script's fit CPU seconds and accuracy."""
    whole = run("-m", "tests.benchmarks.reference", "fit", source, home=home)
    found: dict[str, float] = json.loads(whole.out.splitlines()[-1])
    note = f"{found['accuracy']:.2%}; of which the fit {found['fit_cpu']:.1f} s CPU"
    show(f"plain script, {Path(source).name}", whole.cpu, whole.wall, whole.rss, note)
    return found


INGEST = """
import json, pathlib, sys, time
import flows
from tasks import settings
from tasks.data import sources
from tasks.ingest import read_table
table = sources.recognise(sys.argv[1], settings.load()).tables["train"]
wall, cpu = time.perf_counter(), time.process_time()
read_table(table, pathlib.Path("ours.parquet"), [])
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}))
"""


def ingestion(archive: str, home: Path) -> None:
    """train.csv to Parquet: pandas against the reader of the stage `ingest`, without imports; the best of three."""
    with zipfile.ZipFile(archive) as members:
        table = members.extract("train.csv", home)
    best: dict[str, dict[str, float]] = {}
    for _ in range(3):
        for name, command in {
            "pandas": ("-m", "tests.benchmarks.reference", "ingest", table, str(home)),
            "digits": ("-c", INGEST, table),
        }.items():
            cost = json.loads(run(*command, home=home).out)
            best[name] = min(cost, best.get(name, cost), key=lambda cost: cost["cpu"])
    for name, cost in best.items():
        show(f"train.csv to Parquet, {name}", cost["cpu"], cost["wall"])
    limit("CPU of pandas against ours", best["pandas"]["cpu"] / best["digits"]["cpu"], least=4)
    # pandas reads with two threads, ours is one: told, and not held to the limit.
    print(f"         wall of pandas against ours: {best['pandas']['wall'] / best['digits']['wall']:.2f}")


# A setting of `fast` that costs a quarter of `cnn-basic`: one epoch of the images as they are, in larger steps.
QUICK = {
    **{"name": "fast-1-epoch", "epochs": 1, "min_shown": 0, "augmentation": {}, "dropout": 0.0},
    **{"batch": 72, "learning_rate": 8e-3, "weight_decay": 1e-2},
}


def compared(archive: str, home: Path, *names: str, seeds: int) -> dict[str, list[dict[str, float]]]:
    """Accuracy in percent, CPU seconds of the fit and the mean under everyday changes, a fit each, by recipe."""
    digits("compare", "--data", archive, "--recipes", ",".join(names), "--seeds", str(seeds), home=home)
    store = Store(home / "artifacts")
    found: dict[str, list[dict[str, float]]] = {}
    for evaluation in (one for one in store.all() if one.kind == "evaluation"):
        model = store.get(evaluation.manifest().inputs[0]).metrics
        robustness = evaluation.metrics["robustness"]
        figures = {
            "accuracy": 100 * evaluation.metrics["accuracy"],
            "cpu": model["fit_cpu_seconds"],
            "lost": 100 * (robustness["clean"] - robustness["mean"]),
        }
        found.setdefault(model["recipe"], []).append(figures)
    for name, fits in found.items():
        each = ", ".join(f"{one['accuracy']:.2f} %" for one in fits)
        show(f"compare, {name}", mean(fits, "cpu"), 0, note=f"{mean(fits, 'accuracy'):.3f} % ({each})")
    return found


def mean(fits: list[dict[str, float]], figure: str) -> float:
    return sum(one[figure] for one in fits) / len(fits)


def recipes_against_each_other(archive: str, home: Path) -> None:
    quick = home / "quick.json"
    quick.write_text(json.dumps(recipes.find("fast").as_parameters() | QUICK))
    found = compared(archive, home, "cnn-basic", "fast", str(quick), seeds=3)
    basic, fast, quicker = found["cnn-basic"], found["fast"], found[str(QUICK["name"])]
    limit("fast: accuracy, percent, mean of three seeds", mean(fast, "accuracy"), least=99.5)
    limit("fast: CPU of the fit against cnn-basic's", mean(fast, "cpu") / mean(basic, "cpu"), most=3.5)
    limit("fast: points lost under everyday changes", mean(fast, "lost"), most=1.5)
    limit("one epoch: points more than cnn-basic", mean(quicker, "accuracy") - mean(basic, "accuracy"), least=0)
    limit("one epoch: CPU of the fit against cnn-basic's", mean(quicker, "cpu") / mean(basic, "cpu"), most=0.25)


def embedded(home: Path) -> None:
    sample = pipeline("digits run (embedded digits)", made(home / "sample"))
    plain("sample", home)
    limit("CPU seconds of the fit", sample.fit, most=90)
    limit("wall seconds of the whole", sample.first.wall, most=150)
    limit("wall seconds of the fit", sample.fit_wall, most=60)
    limit("accuracy, percent", sample.accuracy, least=99.0)
    limit("wall seconds of the same again", sample.again.wall, most=25)


def kaggles(archive: str, home: Path) -> None:
    ingestion(archive, home)
    reference = plain(archive, home)
    kaggle = pipeline("digits run --data (the zip)", made(home / "kaggle"), "--data", archive)
    limit("CPU of the fit against the plain script's", kaggle.fit / reference["fit_cpu"], most=3.5)
    limit("accuracy, percent", kaggle.accuracy, least=99.35)
    limit("CPU seconds of all but the fit", kaggle.first.cpu - kaggle.fit, most=60)
    limit("peak RSS, MB", kaggle.first.rss, most=1500)
    limit("wall seconds of the same again", kaggle.again.wall, most=25)
    pictures(home / "kaggle")


def pictures_alone(archive: str, home: Path) -> None:
    digits("run", "--data", archive, home=home)
    pictures(home)


MORE = {
    "pictures": pictures_alone,
    "scoring": scoring,
    "splits": fast_over_splits,
    "recipes": recipes_against_each_other,
    "best": best_over_splits,
}


def main() -> None:
    archive = str(Path(sys.argv[1]).absolute()) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        if not archive or len(sys.argv) == 2:
            embedded(home)
        if archive:
            for measured in [MORE[name] for name in sys.argv[2:]] or [kaggles]:
                measured(archive, made(home / measured.__name__))
    if missed:
        raise SystemExit(f"{len(missed)} missed: {'; '.join(missed)}")


if __name__ == "__main__":
    main()
