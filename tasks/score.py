"""Stage 9, score: answer digits that nobody may have labelled yet with a package.

Makes `scores`, which `scoring/scores.py` describes. In the flow `train` it is one stage, on the test part; in the flow
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
    """Score the test part; return None where the source has none."""
    test = prepared.file_if_any("test.parquet")
    if not test:
        return None
    tables = tables_in(test)
    planned = scores.plan(store, package, tables, Options(), taken_from=[prepared], fresh=fresh)
    return scores.carry_out(store, planned, rows_in_lines(about_rows(tables)))


def score_piece(job: Job, piece: Piece) -> int:
    """Score the shards of a piece, but for those that are done; return how many rows it went through."""
    rows = job.tables[piece.table_index].rows
    left = rows and rows - piece.place.row + 1
    total = left if piece.whole else min(job.shard_rows, left or job.shard_rows)
    return shards.score_piece(job, piece, rows_in_lines(total))


score_stage = stage(score)
plan_stage = stage(scores.plan)
piece_stage = stage(score_piece, "{piece.name}")
publish_stage = stage(scores.publish)
