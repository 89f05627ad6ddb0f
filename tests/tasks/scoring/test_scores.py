"""Scoring ends in the same files however the work is divided, interrupted and resumed."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.data import digits
from tasks.data.digits import fingerprints
from tasks.data.tables import Table
from tasks.errors import DataError, DriftError, StoreError, UsageError
from tasks.judging.statistics import softmax
from tasks.models.packaged import FLOAT32, INT8, PackageMetrics, form_here, models_of
from tasks.models.scorer import Engine, Scorer
from tasks.scoring import scores, shards
from tasks.scoring.inputs import tables_to_score
from tasks.scoring.scores import Options, ScoresMetrics
from tasks.settings import Settings
from tasks.store import Artifact, Store
from tests import making
from tests.conftest import Chain

DIGITS = making.digits(700)


def tables_of(path: Path) -> list[Table]:
    return tables_to_score([str(path)], Settings(home=path.parent), path.parent)


def score(
    chain: Chain, path: Path, store: Store, *, workers: int = 1, package: Artifact | None = None, **options: object
) -> Artifact:
    """Scores in a store of their own, by a package, or by the chain's."""
    planned = scores.plan(store, package or chain.package, tables_of(path), Options(**options), workers=workers)  # type: ignore[arg-type]
    return scores.carry_out(store, planned)


def files(published: Artifact) -> dict[str, bytes]:
    """Everything but the manifest, which says when it was made."""
    paths = (path for path in published.path.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(published.path).as_posix(): path.read_bytes() for path in paths}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return making.write_csv(tmp_path / "test.csv", making.unlabelled(DIGITS))


class Second(Engine):
    """A package with a first reader answers every seventh image, or so, with the class above."""

    def answer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        logits, passed_on = super().answer(images)
        if passed_on is not None:
            odd = fingerprints(images) % 7 == 0
            logits[odd] = np.roll(logits[odd], 1, axis=1)
        return logits, passed_on


def test_a_second_package_answers_beside_and_never_in_the_submission(
    chain: Chain, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "Engine", Second)
    labelled = making.write_csv(tmp_path / "labelled.csv", DIGITS)
    alone = score(chain, labelled, store)
    planned = scores.plan(store, chain.package, tables_of(labelled), Options(), beside=chain.cascade)
    both = scores.carry_out(store, planned)
    before, after = files(alone), files(both)
    assert [before[name] == after[name] for name in ("submission.csv", "review.csv")] == [True, True]
    metrics = both.measured(ScoresMetrics)
    assert replace(metrics, beside=None) == alone.measured(ScoresMetrics)
    rows, first = (pq.read_table(published.path / "scores.parquet") for published in (both, alone))
    assert rows.select(first.column_names).equals(first)
    labels, others = (rows[name].to_numpy() for name in ("label", "beside"))
    differs = labels != others
    assert metrics.beside is not None
    assert (metrics.beside.package, metrics.beside.differ) == (chain.cascade.name, differs.sum())
    assert 70 < differs.sum() < 130
    np.testing.assert_array_equal([image is not None for image in rows["beside_image"].to_pylist()], differs)
    assert after["beside.png"].startswith(b"\x89PNG")
    new = ~np.isin(fingerprints(DIGITS.images), np.load(chain.package.path / "learned.npy"))
    assert metrics.beside.only_first == (new & differs & (labels == DIGITS.known_labels)).sum()
    assert metrics.beside.only_second == (new & differs & (others == DIGITS.known_labels)).sum()


def test_a_package_does_not_answer_beside_itself(chain: Chain, table: Path, store: Store) -> None:
    with pytest.raises(UsageError, match=r"both packages are the same; received package/.*; to go on, name another"):
        scores.plan(store, chain.package, tables_of(table), Options(), beside=chain.package)


def test_a_submission_has_a_row_for_every_image_in_its_order(chain: Chain, table: Path, store: Store) -> None:
    published = score(chain, table, store)
    expected = Scorer(chain.package.path / form_here()).probabilities(DIGITS.images).argmax(axis=1)
    lines = (published.path / "submission.csv").read_text().split("\n")
    assert lines == ["ImageId,Label", *(f"{row},{label}" for row, label in enumerate(expected, 1)), ""]
    metrics = published.measured(ScoresMetrics)
    assert metrics.rows == 700
    assert metrics.class_counts == np.bincount(expected, minlength=10).tolist()


def test_confidence_is_that_of_the_calibrated_probabilities(chain: Chain, table: Path, store: Store) -> None:
    rows = pq.read_table(score(chain, table, store).path / "scores.parquet")
    temperature = chain.package.measured(PackageMetrics).calibration.temperature
    expected = Scorer(chain.package.path / form_here(), temperature=temperature).probabilities(DIGITS.images)
    assert temperature != 1
    np.testing.assert_allclose(np.stack(rows["probabilities"].to_numpy()), expected, atol=1e-6)
    np.testing.assert_allclose(rows["confidence"].to_numpy(), expected.max(axis=1), atol=1e-6)
    np.testing.assert_array_equal(rows["review"].to_numpy(), expected.max(axis=1).astype(np.float32) < 0.95)


def test_a_cascade_answers_with_the_confidence_of_who_answers(chain: Chain, table: Path, store: Store) -> None:
    published = score(chain, table, store, package=chain.cascade)
    logits, passed_on = Engine(models_of(chain.cascade, form_here())).answer(DIGITS.images)
    rows = pq.read_table(published.path / "scores.parquet")
    np.testing.assert_array_equal(rows["confidence"].to_numpy(), softmax(logits).max(axis=1))
    assert passed_on is not None
    assert 0 < passed_on.sum() < 350
    planned = scores.plan(Store(store.root / "other"), chain.cascade, tables_of(table), Options())
    shards.score_piece(planned.job, shards.Piece(0))
    (shard,) = shards.finished_shards(planned.job)
    assert shard.observed["passed on"] == [700 - passed_on.sum(), passed_on.sum()]


def test_without_the_cascade_the_main_model_answers_everything(chain: Chain, table: Path, store: Store) -> None:
    alone = score(chain, table, store, package=chain.cascade, cascade=False)
    plain = score(chain, table, store)
    cascaded = score(chain, table, store, package=chain.cascade)
    columns = [pq.read_table(scored.path / "scores.parquet")["probabilities"] for scored in (alone, plain, cascaded)]
    assert columns[0].equals(columns[1])
    assert not columns[0].equals(columns[2])
    assert alone.measured(ScoresMetrics).expected == plain.measured(ScoresMetrics).expected


def test_pictures_are_answered_by_the_main_model(chain: Chain, tmp_path: Path, store: Store) -> None:
    from PIL import Image

    Image.fromarray(255 - DIGITS.images[0]).save(tmp_path / "four.png")
    planned = scores.plan(store, chain.cascade, tables_of(tmp_path / "four.png"), Options())
    assert planned.job.models.first is None


def test_the_scores_say_in_which_form_they_were_computed(
    chain: Chain, table: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms = {}
    for form in (FLOAT32, INT8):
        monkeypatch.setattr(scores, "form_here", lambda form=form: form)
        forms[form] = score(chain, table, store)
        assert forms[form].manifest().parameters["form"] == form
    assert forms[FLOAT32].id != forms[INT8].id


def test_what_is_to_be_reviewed_comes_with_its_image(chain: Chain, table: Path, store: Store) -> None:
    published = score(chain, table, store, review_below=0.99)
    rows = pq.read_table(published.path / "scores.parquet").to_pylist()
    review = [row for row in rows if row["review"]]
    assert 0 < len(review) == published.measured(ScoresMetrics).review < 700
    assert [row["image"] for row in review] == [DIGITS.images[row["id"] - 1].tobytes() for row in review]
    lines = (published.path / "review.csv").read_text().splitlines()
    assert lines[0] == "id,label,confidence,reason"
    assert [int(line.split(",")[0]) for line in lines[1:]] == [row["id"] for row in review]
    assert (published.path / "review.png").read_bytes().startswith(b"\x89PNG")


def test_images_of_a_few_others_are_kept_for_an_audit_the_same_ones_in_whatever_shards(
    chain: Chain, table: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "AUDITED", 100)
    kept = []
    for rows in (100_000, 150):
        published = score(chain, table, Store(store.root / str(rows)), shard_rows=rows)
        read = pq.read_table(published.path / "scores.parquet").to_pylist()
        kept.append([row["id"] for row in read if row["image"] and not row["review"]])
        others = sum(not row["review"] for row in read)
    assert kept[0] == kept[1]
    assert 0.5 < len(kept[0]) / (others / 7) < 1.5


@pytest.mark.parametrize("package", ["package", "cascade"])
def test_shards_and_workers_change_nothing_but_the_shards(
    chain: Chain, table: Path, store: Store, package: str
) -> None:
    whole, one, two = (
        score(chain, table, Store(store.root / name), workers=workers, shard_rows=rows, package=getattr(chain, package))
        for name, workers, rows in (("whole", 1, 100_000), ("one", 1, 150), ("two", 2, 150))
    )
    assert files(one) == files(two)
    assert len(list((one.path / "scores.parquet").iterdir())) == 5
    assert (one.path / "submission.csv").read_bytes() == (whole.path / "submission.csv").read_bytes()
    tables = [pq.read_table(published.path / "scores.parquet") for published in (whole, one)]
    assert tables[0]["label"].equals(tables[1]["label"])
    metrics = whole.measured(ScoresMetrics)
    assert replace(one.measured(ScoresMetrics), drift=metrics.drift) == metrics


@pytest.mark.parametrize("finished", [[], [0], [0, 1, 3], [4], [0, 1, 2, 3, 4]])
def test_what_was_scored_before_a_kill_is_not_scored_again(
    chain: Chain, table: Path, store: Store, finished: list[int]
) -> None:
    undisturbed = files(score(chain, table, Store(store.root / "undisturbed"), shard_rows=150))
    planned = scores.plan(store, chain.package, tables_of(table), Options(shard_rows=150))
    shards.score_piece(planned.job, shards.Piece(0))
    times = {}
    for number in range(5):
        parquet, manifest = shards.files_of(planned.job, 0, number)
        if number in finished:
            times[parquet] = parquet.stat().st_mtime_ns
        elif number % 2:
            parquet.write_bytes(b"torn")
        else:
            manifest.unlink()
    left = planned.pieces()
    assert len(left) == (1 if 0 not in finished else 5 - len(finished))
    for piece in left:
        shards.score_piece(planned.job, piece)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert files(scores.publish(store, planned)) == undisturbed
    assert not planned.job.folder.exists()


def test_a_shard_that_is_damaged_before_it_is_published_is_named_and_scored_again(
    chain: Chain, table: Path, store: Store
) -> None:
    planned = scores.plan(store, chain.package, tables_of(table), Options(shard_rows=300))
    shards.score_piece(planned.job, planned.pieces()[0])
    damaged = sorted(planned.job.folder.glob("*.parquet"))[1]
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(StoreError, match=f"not what was written.*{damaged.name}|{damaged.name}.*not what was written"):
        scores.publish(store, planned)
    assert [piece.place.row for piece in planned.pieces()] == [301]
    assert files(scores.carry_out(store, planned))[f"scores.parquet/{damaged.name}"] == whole


def test_scores_of_a_file_that_changes_meanwhile_are_not_published(chain: Chain, table: Path, store: Store) -> None:
    planned = scores.plan(store, chain.package, tables_of(table), Options())
    content = table.read_bytes()
    table.write_bytes(content + content.splitlines(keepends=True)[1])
    with pytest.raises(DataError, match=r"test.csv: the file changed while it was read; .*wait until whoever writes"):
        scores.carry_out(store, planned)
    table.write_bytes(content)
    assert score(chain, table, store).measured(ScoresMetrics).rows == len(DIGITS)


def test_a_file_system_without_hard_links_has_copies(
    chain: Chain, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked = files(score(chain, table, Store(tmp_path / "linked")))
    monkeypatch.setattr(os, "link", Mock(side_effect=PermissionError(1, "Operation not permitted")))
    assert files(score(chain, table, Store(tmp_path / "copied"))) == linked


def test_stores_that_keep_shards_in_the_same_place_do_not_meet(chain: Chain, table: Path, tmp_path: Path) -> None:
    stores = [Store(tmp_path / name) for name in "ab"]
    first, second = (
        scores.plan(store, chain.package, tables_of(table), Options(), shards_in=str(tmp_path / "shards"))
        for store in stores
    )
    shards.score_piece(first.job, first.pieces()[0])
    published = scores.carry_out(stores[1], second)
    assert files(published) == files(scores.publish(stores[0], first))
    assert not list((tmp_path / "shards").iterdir())


def test_the_same_again_is_found(chain: Chain, table: Path, store: Store) -> None:
    first = score(chain, table, store)
    again = score(chain, table, store)
    assert (again.name, again.reused, first.reused) == (first.name, True, False)
    assert score(chain, table, store, review_below=0.5).name != first.name


def test_labels_that_are_known_are_counted_but_for_images_that_were_learned_from(
    chain: Chain, tmp_path: Path, store: Store
) -> None:
    published = score(chain, making.write_csv(tmp_path / "labelled.csv", DIGITS), store)
    train = digits.read(chain.prepared.file("train.parquet"))
    new = DIGITS[~np.isin(digits.fingerprints(DIGITS.images), digits.fingerprints(train.images))]
    answers = Scorer(chain.package.path / form_here()).probabilities(new.images).argmax(axis=1)
    metrics = published.measured(ScoresMetrics)
    assert metrics.accuracy
    assert metrics.confusion
    assert 100 < len(new) < 200
    assert (metrics.rows, metrics.learned, metrics.accuracy.images) == (700, 700 - len(new), len(new))
    assert metrics.accuracy.accuracy == pytest.approx((answers == new.labels).mean())
    assert metrics.confusion[3][3] == ((answers == 3) & (new.labels == 3)).sum()
    assert np.sum(metrics.confusion) == len(new)


def test_several_tables_are_told_apart_by_their_names(chain: Chain, tmp_path: Path, store: Store) -> None:
    paths = [tmp_path / name for name in ("a.csv", "b.csv")]
    for path, rows in zip(paths, (slice(0, 20), slice(20, 50)), strict=True):
        making.write_csv(path, making.unlabelled(DIGITS[rows]))
    tables = tables_to_score([str(path) for path in paths], Settings(home=tmp_path), tmp_path)
    published = scores.carry_out(store, scores.plan(store, chain.package, tables, Options()))
    lines = (published.path / "submission.csv").read_text().splitlines()
    assert lines[1].startswith("a.csv:1,")
    assert lines[21].startswith("b.csv:1,")
    assert len(lines) == 51
    assert published.manifest().source["data"] == "a.csv, b.csv"


def write_with_bad_rows(path: Path) -> Path:
    rows = making.csv_rows(making.unlabelled(DIGITS))
    rows[7][5] = "256"
    rows[300] = rows[300][:-1]
    path.write_bytes(making.csv_text(rows))
    return path


def test_a_bad_row_stops_the_run_and_leaves_no_scores(chain: Chain, tmp_path: Path, store: Store) -> None:
    path = write_with_bad_rows(tmp_path / "test.csv")
    with pytest.raises(DataError) as error:
        score(chain, path, store)
    assert str(error.value) == (
        "test.csv, row 7, column pixel5: pixel outside 0-255; expected a whole number from 0 to 255; received '256'; "
        "to go on, mend it, or set such rows aside by --on-bad-row quarantine"
    )
    assert not store.all()


def test_bad_rows_can_be_set_aside_and_the_others_keep_their_ids(chain: Chain, tmp_path: Path, store: Store) -> None:
    published = score(chain, write_with_bad_rows(tmp_path / "test.csv"), store, on_bad_row="quarantine", shard_rows=150)
    ids = [int(line.split(",")[0]) for line in (published.path / "submission.csv").read_text().splitlines()[1:]]
    assert ids == [row for row in range(1, 701) if row not in (7, 300)]
    assert (published.path / "quarantine.csv").read_text().splitlines() == [
        "id,column,rule,expected,received",
        "7,pixel5,pixel outside 0-255,a whole number from 0 to 255,'256'",
        "300,,wrong number of cells,784 cells,783 cells",
    ]
    metrics = published.measured(ScoresMetrics)
    assert (metrics.rows, metrics.quarantined) == (698, 2)


@pytest.mark.parametrize("shard_rows", [2, 100_000])
def test_a_shard_or_a_table_of_bad_rows_only_is_set_aside(
    chain: Chain, tmp_path: Path, store: Store, shard_rows: int
) -> None:
    rows = making.csv_rows(making.unlabelled(DIGITS[:4]))
    for row in (1, 2, *((3, 4) if shard_rows > 4 else ())):
        rows[row][5] = "x"
    (tmp_path / "test.csv").write_bytes(making.csv_text(rows))
    published = score(chain, tmp_path / "test.csv", store, on_bad_row="quarantine", shard_rows=shard_rows)
    metrics = published.measured(ScoresMetrics)
    assert (metrics.rows, metrics.quarantined) == ((2, 2) if shard_rows == 2 else (0, 4))


def test_the_same_scored_twice_at_once_is_scored_once(
    chain: Chain, table: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    score_piece = shards.score_piece
    first_is_scoring, second_may_end = threading.Event(), threading.Event()

    def slowly(*arguments: object) -> int:
        scored.append(1)
        first_is_scoring.set()
        second_may_end.wait(5)
        return score_piece(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shards, "score_piece", slowly)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(score, chain, table, store)
        first_is_scoring.wait(60)
        second = pool.submit(score, chain, table, store)
        second_may_end.set()
        assert first.result().name == second.result().name
    assert len(scored) == 1


def test_thousands_of_tables_come_out_in_the_order_in_which_they_went_in(
    chain: Chain, table: Path, store: Store
) -> None:
    job = scores.plan(store, chain.package, tables_of(table), Options()).job
    names = [shards.files_of(job, index, number)[0].name for index, number in ((1, 0), (999, 2_000_000), (1_000, 0))]
    assert names == sorted(names)


def test_inverted_digits_stop_the_run_where_drift_is_to(chain: Chain, tmp_path: Path, store: Store) -> None:
    inverted = replace(making.unlabelled(DIGITS), images=255 - DIGITS.images)
    path = making.write_csv(tmp_path / "test.csv", inverted)
    with pytest.raises(DriftError, match=r"not the digits that the model has learned from; received .*inverted"):
        score(chain, path, store, on_drift="stop")
    assert not store.all()
    published = score(chain, path, store)
    metrics = published.measured(ScoresMetrics)
    assert (metrics.drift.verdict, metrics.expected) == ("drifted", None), "nothing is promised of other digits"
    with pytest.raises(DriftError):
        score(chain, path, store, on_drift="stop")


def test_ordinary_digits_pass(chain: Chain, table: Path, store: Store) -> None:
    metrics = score(chain, table, store, on_drift="stop").measured(ScoresMetrics)
    assert metrics.drift.verdict == "none"
    assert metrics.expected is not None


def test_nothing_is_promised_of_digits_too_few_to_tell(chain: Chain, tmp_path: Path, store: Store) -> None:
    table = making.write_csv(tmp_path / "few.csv", making.unlabelled(DIGITS[:5]))
    metrics = score(chain, table, store).measured(ScoresMetrics)
    assert (metrics.drift.verdict, metrics.expected) == ("too few to tell", None)


def test_probabilities_go_into_the_submission_on_demand(chain: Chain, table: Path, store: Store) -> None:
    lines = (score(chain, table, store, probabilities=True).path / "submission.csv").read_text().splitlines()
    assert lines[0] == "ImageId,Label," + ",".join(f"Probability{label}" for label in range(10))
    row = lines[1].split(",")
    assert sum(map(float, row[2:])) == pytest.approx(1, abs=1e-4)
    assert int(np.argmax(list(map(float, row[2:])))) == int(row[1])
