"""The inputs that `tests/fuzz.py` feeds to the readers, kind by kind, and what must come of each.

A kind is a function of a case. It returns where its input was read, raises a DigitsError where that was refused, and a
WrongError where either is wrong, by oracles that share no code with the readers. Pictures have a value to compare with
only where they are whole: what a damaged one shows nobody can say. Nor can anybody for a model whose bytes were
changed; that a package hands out no such model is a case of `manifest`.
"""

import contextlib
import shutil
from collections.abc import Callable

from tasks.errors import DigitsError
from tasks.models.packaged import INT8, models_of
from tasks.models.scorer import Scorer
from tasks.scoring import scores
from tasks.scoring.inputs import tables_to_score
from tasks.scoring.scores import Options, ScoresMetrics
from tasks.settings import Settings
from tasks.store import damage, draft_folder
from tests import making
from tests.odd_inputs.cases import Case, WrongError, mutated, read
from tests.odd_inputs.pictures import MODES, fuzz_pictures
from tests.odd_inputs.records import fuzz_manifest, fuzz_recipe
from tests.odd_inputs.tables import fuzz_csv, fuzz_gzip, fuzz_idx, fuzz_parquet, fuzz_zip

__all__ = ["KINDS", "Case"]


def fuzz_tflite(case: Case) -> None:
    content = mutated(models_of(case.package, INT8).main, case.random)
    answers = Scorer(content, threads=1).probabilities(making.digits(3).images)
    if answers.shape != (3, 10):
        raise WrongError(f"answers of shape {answers.shape}")


def fuzz_score(case: Case) -> None:
    """Score what another kind of case reads, bad rows set aside."""
    kind = case.random.choice(TABLES + PICTURES)
    with contextlib.suppress(DigitsError):
        KINDS[kind](case)
    store = case.store
    options = Options(
        review_below=case.random.random(),
        shard_rows=case.random.choice((2, 7, 100_000)),
        on_bad_row="quarantine",
        probabilities=case.random.random() < 0.5,
        show=case.random.random() < 0.05,
    )
    answers = None
    try:
        with draft_folder(store.root, "standard-input") as spool:
            tables = tables_to_score([str(next(case.folder.iterdir()))], Settings(home=case.folder), spool)
            rows = [row for table in tables for row in read(table).values()]
            answers = scores.carry_out(store, scores.plan(store, case.package, tables, options, threads=1))
    finally:
        left = [path.name for path in (store.root / ".drafts").iterdir()]
        left += [path.name for path in (store.root / ".scratch").glob("*")] if answers else []
        shutil.rmtree(store.root / ".scratch", ignore_errors=True)  # a run that is refused keeps its shards
        if left:
            raise WrongError(f"left behind: {left}")
    metrics = answers.measured(ScoresMetrics)
    if (metrics.rows, metrics.quarantined) != (len(rows) - rows.count(None), rows.count(None)) or damage(answers):
        raise WrongError(f"of {len(rows)} rows {metrics.rows} are answered and {metrics.quarantined} set aside")
    lines = (answers.path / "submission.csv").read_text().count("\n")
    shutil.rmtree(answers.path)
    if lines != metrics.rows + 1:
        raise WrongError(f"{lines} lines for {metrics.rows} rows")


TABLES = ("csv", "gzip", "zip", "idx", "parquet")
PICTURES = tuple(kind.lower() for kind in MODES)
KINDS: dict[str, Callable[[Case], None]] = {
    "csv": fuzz_csv,
    "gzip": fuzz_gzip,
    "zip": fuzz_zip,
    "idx": fuzz_idx,
    "parquet": fuzz_parquet,
    **{kind.lower(): fuzz_pictures(kind) for kind in MODES},
    "manifest": fuzz_manifest,
    "recipe": fuzz_recipe,
    "tflite": fuzz_tflite,
    "score": fuzz_score,
}
