"""Stage 8, score: what a package answers to digits that nobody may have labelled yet.

Makes `scores`; what is in it stands in `scores.py`. In the flow `train` it is one stage, on the test part; in the flow
`score` it is three, of which the middle one is run, and tried again, for every piece of the work.
"""

from tasks import scores, shards
from tasks.scores import Options
from tasks.sources import parts_in
from tasks.stage import stage
from tasks.store import Artifact, Store


def score(store: Store, package: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact | None:
    """The scores of the test part; None where the source has none."""
    test = prepared.path / "test.parquet"
    if not test.exists():
        return None
    return scores.score(store, package, parts_in(test), Options(), also=[prepared], fresh=fresh)


score_stage = stage(score)
plan_stage = stage(scores.plan)
piece_stage = stage(shards.score_piece, "{piece.name}")
publish_stage = stage(scores.publish)
