"""The commands of operations: up, down, deploy, serve, status, inbox, logs."""

import contextlib
import os
import re
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from flows.cli.terminal import AsJson, Quiet, print_json
from tasks import settings
from tasks.errors import UsageError
from tasks.words import printable

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


def up(
    port: Port = 4200,
    auth: Auth = None,
    webhook: Webhook = None,
    lost_after: LostAfter = None,
    keep_runs: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="DAYS", help="Forget runs in Prefect's database after so many days; without it, 90."
        ),
    ] = None,
) -> None:
    """Start Prefect's server with its UI, a worker and the deployments of prefect.yaml on this machine."""
    from flows.operations import server

    config = _home()
    operations = server.Operations(config, port, auth or None, keep_runs or server.kept_runs(config))
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

    config = _home()
    server.serve(server.Operations(config, port, auth or None, server.kept_runs(config)))


def notify(
    test: Annotated[
        bool, typer.Option("--test", help="Send a test message to the webhook, and say what came back.")
    ] = False,
) -> None:
    """Try whether the webhook of `digits up` is reached."""
    from flows.operations import server
    from flows.operations.supervisor import call_webhook

    if not test:
        raise UsageError("there is nothing to tell", remedy="send a test message: `digits notify --test`")
    server.running(settings.load())
    from prefect import get_client

    from flows.operations.automations import webhook_address

    with get_client(sync_client=True) as client:
        address = webhook_address(client)
    if address is None:
        raise UsageError("no webhook is set", remedy="set one: `digits up --webhook ADDRESS`")
    status = call_webhook(address, "a test message, sent by `digits notify --test`", event="digitflow.test")
    print(f"{urlsplit(address).hostname} has answered {status}: look whether the message is there")


def status(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Show at one look how everything is; end with 1 where something needs a person."""
    from flows.operations.status import look

    findings = []
    for finding in look(settings.load()):
        findings.append(finding)
        if not as_json and (finding.remedy or not quiet):
            print(f"{finding.name:<15} {printable(finding.says)}", flush=True)
            if finding.remedy:
                print(f"{'':<15} → {finding.remedy}")
    needy = [finding.name for finding in findings if finding.remedy]
    if as_json:
        print_json({"well": not needy, "findings": findings})
    elif quiet:
        pass
    elif needy:
        print(f"{'':<15} {', '.join(needy)} {'needs' if len(needy) == 1 else 'need'} a person")
    else:
        print(f"{'':<15} nothing needs a person")
    if needy:
        raise typer.Exit(1)


inbox_app = typer.Typer(invoke_without_command=True)


@inbox_app.callback()
def inbox(context: typer.Context) -> None:
    """List the files of the inbox and what became of them: what waits, is in work, or was refused, and why."""
    if context.invoked_subcommand:
        return
    from tasks.scoring.inbox import Inbox, contents, reason_of

    folders = Inbox(settings.load().data)
    files = contents(folders)
    for state, names in files.items():
        for name in names:
            reason = f"  {reason_of(folders, name)}" if state == "failed" else ""
            print(f"{state:<8}  {printable(name + reason)}")
    if not any(files.values()):
        print(f"nothing waits, is in work or was refused; leave files in {folders.inbox}")


@inbox_app.command()
def retry(
    name: Annotated[str, typer.Argument(help="Put back the refused file of this name.")],
    now: Annotated[
        bool, typer.Option("--now", help="Start a run of the inbox at once, and not wait for the next one.")
    ] = False,
) -> None:
    """Put a refused file back into the inbox, once what was wrong is mended."""
    from flows.operations import server
    from tasks.scoring.inbox import Inbox
    from tasks.scoring.inbox import retry as put_back

    config = settings.load()
    put_back(Inbox(config.data), name)
    print(f"{printable(name)} waits in {config.data / 'inbox'}")
    if now:
        server.running(config)
        from flows.operations.runs import start

        print(f"run         {start('score/inbox')}")


def logs(
    run: Annotated[
        str | None,
        typer.Argument(help="Print the lines of the run of this name or id, or its beginning; else of the last run."),
    ] = None,
) -> None:
    """Print what a run has logged, or where the logs of server and worker lie where no server is up."""
    from flows.operations import server
    from flows.operations.runs import lines_of

    server.running(settings.load())
    for lines in lines_of(run):
        print("\n".join(map(printable, lines.splitlines())))


COMMANDS = (up, down, deploy, serve, status, logs, notify)


def _home() -> settings.Settings:
    """Return the settings, with a folder for Prefect's state."""
    config = settings.load()
    settings.make_home(config)
    return config


def _checked(webhook: str | None) -> str | None:
    """Return the address, None for an empty one.

    Raises: UsageError, which does not repeat it: whoever knows it can write there.
    """
    if not webhook or webhook == "none":
        return webhook or None
    with contextlib.suppress(ValueError):  # of brackets or a port that are none
        parts = urlsplit(webhook)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not re.search(r"\s", webhook):
            return webhook
    raise UsageError("the webhook is no address", expected="http://…, https://… or none", received="something else")


def _print_deployed(deployed: "Deployed") -> None:
    """Print what holds on the server; of the webhook only the host, since whoever knows the rest can write there."""
    for name, moment in deployed.next_runs.items():
        print(f"deployed    {name}: {f'next run {moment:%a %Y-%m-%d %H:%M %Z}' if moment else 'runs when asked to'}")
    host = urlsplit(deployed.webhook or "").hostname
    print(f"webhook     {f'{host}; --webhook none removes it' if host else 'none: nobody is told; --webhook sets one'}")
    print(f"lost after  {deployed.lost_after:g} s without a sign of life")
