"""The command `review`: the page on which people answer, and what is published of it."""

import re
from typing import Annotated

import typer

from flows.cli.registry import open_store
from tasks import settings
from tasks.errors import UsageError


def review(
    scores: Annotated[
        str | None, typer.Argument(metavar="SCORES", help="An id of scores; else the newest with something to review.")
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Note this name with each answer; else that of the user.")
    ] = None,
    second: Annotated[
        str, typer.Option(metavar="SHARE", help="Read such a share of what others have read a second time: 10%.")
    ] = "0%",
    audit: Annotated[
        int, typer.Option(min=0, help="Mix in so many at random of those that were not to be reviewed.")
    ] = 0,
    publish: Annotated[
        bool, typer.Option("--publish", help="Only publish what is answered so far, without the page.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Let the page listen on this port of 127.0.0.1; 0: any free one.")
    ] = 0,
) -> None:
    """Let people correct what the model doubts, on a page of this machine, and publish what they say."""
    from tasks.reviewing import items
    from tasks.reviewing.answers import Log, reviewer_name
    from tasks.store import Artifact

    name, share = reviewer_name(reviewer), _share(second)
    store = open_store()
    chosen = items.choose(store, scores)
    shown = items.read(chosen)
    log = Log(settings.load().data / "reviews", chosen)

    def published() -> tuple[Artifact, list[str]]:
        from tasks.reviewing import publishing

        artifact = publishing.publish(store, chosen, shown, log)
        findings = publishing.findings(artifact.measured(publishing.ReviewMetrics))
        if target := publishing.delivered_to(chosen):
            findings.append(f"In the outbox: {target.name}")
        return artifact, findings

    if publish:
        artifact, findings = published()
        print("\n".join(findings))
        print(f"submission  {artifact.path / 'submission.csv'}")
        print(f"page        {artifact.path / 'review.html'}")
        return
    from flows.reviewing import server
    from tasks.reviewing.desk import Desk

    page = server.Review(Desk(shown, log, name, share, audit), str(chosen.manifest().source["data"]), published)

    def tell(address: str) -> None:
        print(f"scores      {chosen.name}: {page.desk.progress().left:,} to review")
        print(f"reviewer    {name}")
        print(f"answers     {log.path}")
        print(f"open        {address}", flush=True)

    server.serve(page, port, tell)


COMMANDS = (review,)


def _share(text: str) -> float:
    """Return a share that is written as in `10%` or `0.1`, as 0–1. Raises: UsageError."""
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)( ?%)?", text.strip()):
        value = float(match[1]) / 100 if match[2] else float(match[1])
        if value <= 1:
            return value
    raise UsageError("--second is no share", expected="0% to 100%, or 0 to 1", received=repr(text)[:100])
