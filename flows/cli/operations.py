"""The commands of operations: `digits up`, `digits down`, `digits deploy`, `digits serve`."""

import os
import re
from typing import Annotated

import typer

from tasks import settings
from tasks.errors import UsageError

Port = Annotated[int, typer.Option(min=1, max=65535, help="Of Prefect's server, on 127.0.0.1.")]
# By the environment, since other users of the machine can read the words of a command.
Auth = Annotated[
    str | None,
    typer.Option(envvar="DIGITS_AUTH", metavar="USER:PASSWORD", help="What the server asks for; best by the variable."),
]


Webhook = Annotated[
    str | None,
    typer.Option(
        envvar="DIGITS_WEBHOOK",
        metavar="ADDRESS",
        help="Called on failed runs, drift, bad files, rows set aside, promotions refused.",
    ),
]
LostAfter = Annotated[
    int, typer.Option(min=35, help="Seconds without a heartbeat after which a run is taken for dead.")
]


def up(port: Port = 4200, auth: Auth = None, webhook: Webhook = None, lost_after: LostAfter = 90) -> None:
    """Start Prefect's server with its UI, a worker and the deployments of prefect.yaml on this machine."""
    from flows.operations.server import Operations
    from flows.operations.server import up as start

    here = settings.load()
    settings.make_home(here)
    operations = Operations(here, port, auth or None, _address(webhook), lost_after)
    start(operations)
    print(f"up          {operations.address}")
    print(f"logs        {operations.server.folder}")


def _address(webhook: str | None) -> str | None:
    """Raises: UsageError if it is none. It is not repeated: who knows it can write there."""
    if webhook and not re.fullmatch(r"https?://[^/\s]+\S*", webhook):
        raise UsageError("the webhook is no address", expected="http://… or https://…", received="something else")
    return webhook or None


def down() -> None:
    """End what `digits up` has started, runs included."""
    from flows.operations.server import Operations
    from flows.operations.server import down as end

    ended = end(Operations(settings.load()))
    print(f"ended       {', '.join(ended)}" if ended else "nothing was up")


def deploy(webhook: Webhook = None, lost_after: LostAfter = 90) -> None:
    """Bring work pool, deployments and automations up to date, on the server that PREFECT_API_URL names."""
    if not os.environ.get("PREFECT_API_URL"):
        raise UsageError("PREFECT_API_URL names no server", remedy="set it, or start one here by `digits up`")
    from flows.operations.server import Operations
    from flows.operations.server import deploy as bring

    bring(Operations(settings.load(), webhook=_address(webhook), lost_after=lost_after))
    print(f"deployed    {os.environ['PREFECT_API_URL']}")


def serve(port: Port = 4200, auth: Auth = None) -> None:
    """Run the deployments from this terminal until Ctrl-C, without work pool and worker."""
    from flows.operations.server import Operations
    from flows.operations.server import serve as run

    here = settings.load()
    settings.make_home(here)
    run(Operations(here, port, auth or None))


def add_to(app: typer.Typer) -> None:
    for command in (up, down, deploy, serve):
        app.command()(command)
