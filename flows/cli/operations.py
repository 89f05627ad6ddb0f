"""The commands of operations: up, down, deploy, serve."""

import os
import re
from typing import Annotated

import typer

from tasks import settings
from tasks.errors import UsageError

Port = Annotated[int, typer.Option(min=1, max=65535, help="Let the server listen on this port of 127.0.0.1.")]
Auth = Annotated[
    str | None,
    typer.Option(
        envvar="DIGITS_AUTH",
        metavar="USER:PASSWORD",
        help="Let the server ask for this password. Others can read a command's words, but not the variable.",
    ),
]
Webhook = Annotated[
    str | None,
    typer.Option(
        envvar="DIGITS_WEBHOOK",
        metavar="ADDRESS",
        help="Call this address on failed runs, drift, refused files, rows set aside and refused promotions.",
    ),
]
LostAfter = Annotated[
    int, typer.Option(min=35, help="Take a run for dead after so many seconds without a sign of life.")
]


def up(port: Port = 4200, auth: Auth = None, webhook: Webhook = None, lost_after: LostAfter = 90) -> None:
    """Start Prefect's server with its UI, a worker and the deployments of prefect.yaml on this machine."""
    from flows.operations import server

    operations = server.Operations(_home(), port, auth or None, _checked(webhook), lost_after)
    server.up(operations)
    print(f"up          {operations.address}")
    print(f"logs        {operations.server.folder}")


def down() -> None:
    """End what `digits up` has started, and its runs with it."""
    from flows.operations import server

    ended = server.down(server.Operations(settings.load()))
    print(f"ended       {', '.join(ended)}" if ended else "nothing was up")


def deploy(webhook: Webhook = None, lost_after: LostAfter = 90) -> None:
    """Bring work pool, deployments and automations up to date, on the server that PREFECT_API_URL names."""
    if not os.environ.get("PREFECT_API_URL"):
        raise UsageError("PREFECT_API_URL names no server", remedy="set it, or start one here by `digits up`")
    from flows.operations import deployments

    deployments.deploy(_checked(webhook), lost_after)
    print(f"deployed    {os.environ['PREFECT_API_URL']}")


def serve(port: Port = 4200, auth: Auth = None) -> None:
    """Run the deployments from this terminal until Ctrl-C, without a work pool and a worker."""
    from flows.operations import server

    server.serve(server.Operations(_home(), port, auth or None))


COMMANDS = (up, down, deploy, serve)


def _home() -> settings.Settings:
    """Return the settings, with a folder for Prefect's state."""
    config = settings.load()
    settings.make_home(config)
    return config


def _checked(webhook: str | None) -> str | None:
    """Return the address, None for an empty one.

    Raises: UsageError, which does not repeat it: whoever knows it can write there.
    """
    if webhook and not re.fullmatch(r"https?://[^/\s]+\S*", webhook):
        raise UsageError("the webhook is no address", expected="http://… or https://…", received="something else")
    return webhook or None
