"""Stage 9, score: what a package answers to digits that nobody may have labelled yet.

Makes `scores`; what is in it stands in `scores.py`. In the flow `train` it is one stage, on the test part; in the flow
`score` it is three, of which the middle one is run, and tried again, for every piece of the work.
"""

from tasks.data.sources import tables_in
from tasks.data.tables import about_rows
from tasks.progress import rows_in_lines
from tasks.scoring import scores, shards
from tasks.scoring.scores import Options
from tasks.scoring.shards import Job, Piece
from tasks.stage import stage
from tasks.store import Artifact, Store


def score(store: Store, package: Artifact, prepared: Artifact, *, fresh: bool = False) -> Artifact | None:
    """The scores of the test part; None where the source has none."""
    test = prepared.path / "test.parquet"
    if not test.exists():
        return None
    tables = tables_in(test)
    tell = rows_in_lines(about_rows(tables))
    return scores.score(store, package, tables, Options(), also=[prepared], tell=tell, fresh=fresh)


def score_piece(job: Job, piece: Piece) -> int:
    """Score the shards of a piece, but for those that are done; returns how many rows it went through."""
    rows = job.tables[piece.table].rows
    left = rows and rows - piece.place.row + 1
    return shards.score_piece(job, piece, rows_in_lines(left if piece.whole else min(job.rows, left or job.rows)))


score_stage = stage(score)
plan_stage = stage(scores.plan)
piece_stage = stage(score_piece, "{piece.name}")
publish_stage = stage(scores.publish)
