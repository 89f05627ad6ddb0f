"""The command `review`: the page on which people answer, and what is published of it."""

import os
import re
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.registry import open_store
from tasks import settings
from tasks.errors import UsageError
from tasks.words import counted

if TYPE_CHECKING:
    from tasks.store import Artifact

Reviewer = Annotated[
    str | None, typer.Option(metavar="NAME", help="Note this name with each answer; else that of the user.")
]


def review(
    scores: Annotated[
        str | None, typer.Argument(metavar="SCORES", help="An id of scores; else the newest with something to review.")
    ] = None,
    labels: Annotated[
        bool,
        typer.Option("--labels", help="Review labels that look wrong to the champion, or to a package named instead."),
    ] = False,
    reviewer: Reviewer = None,
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
        int, typer.Option(min=0, max=65535, help="Let the page listen on this port; 0: any that is free.")
    ] = 0,
    host: Annotated[
        str | None, typer.Option(help="Let the page listen on this address, not 127.0.0.1; only with a password.")
    ] = None,
    password: Annotated[
        str | None,
        typer.Option(
            envvar="DIGITS_REVIEW_PASSWORD",
            help="Ask everybody for their name and this password. Others can read a command's words, not the variable.",
        ),
    ] = None,
) -> None:
    """Let people correct what the model doubts, on a page of this machine, and publish what they say."""
    from tasks.reviewing import items, publishing
    from tasks.reviewing.answers import Log, reviewer_name
    from tasks.scoring.inbox import reviewed_result
    from tasks.store import Artifact

    name, share = reviewer_name(reviewer), _share(second)
    if host and not password:
        raise UsageError("--host without a password", remedy="set DIGITS_REVIEW_PASSWORD, or leave out --host")
    config, store = settings.load(), open_store()
    if labels:
        from tasks.registry import package_of
        from tasks.reviewing import suspects

        chosen = package_of(store, scores or "champion")
        shown = suspects.read(store, chosen)
    else:
        chosen = items.choose(store, scores)
        shown = items.read(chosen)
    log = Log(config.data / "reviews", chosen)

    def published() -> tuple[Artifact, list[str]]:
        artifact = publishing.publish(store, chosen, shown, log)
        findings = publishing.findings(artifact.measured(publishing.ReviewMetrics))
        if target := reviewed_result(chosen):
            findings.append(f"In the outbox: {target.name}")
        return artifact, findings + tell_server(config, artifact)

    if publish:
        artifact, findings = published()
        print("\n".join(findings))
        if not labels:
            print(f"submission  {artifact.path / 'submission.csv'}")
        print(f"page        {artifact.path / 'review.html'}")
        return
    from flows.local.server import HOST, serve
    from flows.reviewing import server
    from tasks.reviewing.desk import Desk
    from tasks.reviewing.originals import Originals

    desk, originals = Desk(shown, log, name, share, audit), Originals(chosen, shown)
    page = server.Review(desk, publishing.title(chosen), published, originals, password or None)

    def tell(address: str) -> None:
        print(f"{'labels' if labels else 'scores':<11} {chosen.name}: {page.desk.progress().left:,} to review")
        print(f"reviewer    {'whoever has the password, by name' if password else name}")
        unreadable = f": {counted(log.unreadable, 'line')} that cannot be read" if log.unreadable else ""
        print(f"answers     {log.path}{unreadable}")
        print(f"open        {address}", flush=True)

    serve(server.application(page), "" if password else page.token, port, tell, host or HOST)


def tell_server(config: settings.Settings, review: "Artifact") -> list[str]:
    """Tell the server that is up, if one is, and show what waits; return in a sentence where it cannot be told."""
    from flows.operations import server

    unnamed = "PREFECT_API_URL" not in os.environ
    if unnamed and not server.Operations(config).server.runs():
        return []
    try:
        if unnamed:
            server.running(config)
        from flows.operations import notices, pages

        notices.of_review(review)
        pages.of_reviews(config)
    except Exception as error:  # the review is published, whatever ails the server
        return [f"The server has not heard of it, and starts no training: {error}"]
    return []


COMMANDS = (review,)


def _share(text: str) -> float:
    """Return a share that is written as in `10%` or `0.1`, as 0–1. Raises: UsageError."""
    if match := re.fullmatch(r"(\d+(?:\.\d+)?)( ?%)?", text.strip()):
        value = float(match[1]) / 100 if match[2] else float(match[1])
        if value <= 1:
            return value
    raise UsageError("--second is no share", expected="0% to 100%, or 0 to 1", received=repr(text)[:100])
