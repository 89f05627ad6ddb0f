"""The submission has Kaggle's form, a row an image in their order; the scores have the probabilities behind it."""

import numpy as np
import pyarrow.parquet as pq

from tasks.data import digits
from tasks.models.packaged import form_here
from tasks.models.scorer import Scorer
from tasks.score import score
from tasks.scoring.scores import ScoresMetrics
from tasks.store import Draft, Store
from tests.conftest import Chain


def test_the_submission_is_kaggles(chain: Chain) -> None:
    scores = score(chain.store, chain.package, chain.prepared)
    assert scores is not None
    lines = (scores.path / "submission.csv").read_text().split("\n")
    assert lines[0] == "ImageId,Label"
    assert lines[-1] == ""
    rows = [line.split(",") for line in lines[1:-1]]
    assert [int(image_id) for image_id, _ in rows] == list(range(1, 501))
    test = digits.read(chain.prepared.path / "test.parquet")
    expected = Scorer(chain.package.path / form_here()).probabilities(test.images).argmax(axis=1)
    assert [int(label) for _, label in rows] == expected.tolist()
    assert scores.measured(ScoresMetrics).class_counts == np.bincount(expected, minlength=10).tolist()
    assert (expected == test.labels).mean() > 0.8


def test_the_probabilities_stand_beside_the_labels(chain: Chain) -> None:
    scores = score(chain.store, chain.package, chain.prepared)
    assert scores is not None
    table = pq.read_table(scores.path / "scores.parquet")
    probabilities = np.stack(table["probabilities"].to_numpy())
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert probabilities.argmax(axis=1).tolist() == table["label"].to_pylist()
    np.testing.assert_array_equal(probabilities.max(axis=1), table["confidence"].to_numpy())


def test_without_a_test_part_there_are_no_scores(chain: Chain, store: Store) -> None:
    def build(draft: Draft) -> dict[str, int]:
        return {}

    prepared = store.make("prepared", build, code="tasks.data.digits", parameters={})
    assert score(store, chain.package, prepared) is None
