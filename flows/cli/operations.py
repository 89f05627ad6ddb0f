"""The commands of operations: up, down, deploy, serve."""

import os
import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from tasks import settings
from tasks.errors import UsageError

if TYPE_CHECKING:
    from flows.operations.deployments import Deployed

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
        help="Call this address on failed runs, drift, refused files, rows set aside and refused promotions; none: no "
        "more. Without it, what was set before stays.",
    ),
]
LostAfter = Annotated[
    int | None,
    typer.Option(
        min=35, help="Take a run for dead after so many seconds without a sign of life; without it, as before, or 90."
    ),
]


def up(port: Port = 4200, auth: Auth = None, webhook: Webhook = None, lost_after: LostAfter = None) -> None:
    """Start Prefect's server with its UI, a worker and the deployments of prefect.yaml on this machine."""
    from flows.operations import server

    operations = server.Operations(_home(), port, auth or None)
    deployed = server.up(operations, _checked(webhook), lost_after)
    print(f"up          {operations.address}")
    _print_deployed(deployed)
    data = operations.settings.data
    print(f"inbox       {data / 'inbox'}: leave files there to be scored; the answers come to {data / 'outbox'}")
    print(f"password    {'asked for' if auth else 'none; DIGITS_AUTH=user:password sets one'}")
    print(f"logs        {operations.server.folder}")
    print("to stop     digits down")


def down() -> None:
    """End what `digits up` has started, and its runs with it."""
    from flows.operations import server

    ended = server.down(server.Operations(settings.load()))
    print(f"ended       {', '.join(ended)}" if ended else "nothing was up")


def deploy(webhook: Webhook = None, lost_after: LostAfter = None) -> None:
    """Bring work pool, deployments and automations up to date, on the server that PREFECT_API_URL names."""
    if not os.environ.get("PREFECT_API_URL"):
        raise UsageError("PREFECT_API_URL names no server", remedy="set it, or start one here by `digits up`")
    from flows.operations import deployments

    deployed = deployments.deploy(_checked(webhook), lost_after)
    print(f"server      {os.environ['PREFECT_API_URL']}")
    _print_deployed(deployed)


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
    if webhook and not re.fullmatch(r"none|https?://[^/\s]+\S*", webhook):
        raise UsageError("the webhook is no address", expected="http://…, https://… or none", received="something else")
    return webhook or None


def _print_deployed(deployed: "Deployed") -> None:
    """Print what holds on the server; of the webhook only the host, since whoever knows the rest can write there."""
    for name, moment in deployed.next_runs.items():
        print(f"deployed    {name}: {f'next run {moment:%a %Y-%m-%d %H:%M %Z}' if moment else 'runs when asked to'}")
    host = urlsplit(deployed.webhook or "").hostname
    print(f"webhook     {f'{host}; --webhook none removes it' if host else 'none: nobody is told; --webhook sets one'}")
    print(f"lost after  {deployed.lost_after:g} s without a sign of life")
