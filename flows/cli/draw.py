"""The commands `draw` and `export-page`: a page on which a digit is drawn and read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from humanize import naturalsize

from flows.cli.registry import open_store
from flows.cli.review import Reviewer, tell_server
from tasks import settings
from tasks.errors import StoreError

if TYPE_CHECKING:
    from tasks.store import Artifact

PackageId = Annotated[str, typer.Argument(metavar="ID", help="Read with the package of this id.")]


def draw(
    package_id: PackageId = "champion",
    reviewer: Reviewer = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Only publish what was said of drawn digits, without the page.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Let the page listen on this port of 127.0.0.1; 0: any free one.")
    ] = 0,
) -> None:
    """Draw digits on a page of this machine, see them read, and say what they were, for the next model to learn."""
    from tasks.reviewing import drawn
    from tasks.reviewing.answers import reviewer_name

    name, store, config = reviewer_name(reviewer), open_store(), settings.load()
    answers = config.data / "reviews"

    def published() -> "tuple[Artifact, list[str]]":
        artifact = drawn.publish(store, answers)
        return artifact, tell_server(config, artifact)

    if publish:
        artifact, findings = published()
        print("\n".join([f"published   {artifact.name}", *findings]))
        return
    from flows.drawing import pages
    from flows.local import server
    from tasks.registry import package_of
    from tasks.scoring.reader import Reader

    package = package_of(store, package_id)
    page = pages.Drawing(published, Reader(package), package.name, answers, name)

    def tell(address: str) -> None:
        print(f"package     {package.name}")
        print(f"open        {address}", flush=True)

    server.serve(pages.application(page), page.token, port, tell)


def export_page(
    package_id: PackageId = "champion",
    output: Annotated[Path, typer.Option("--output", "-o", help="Write the page to this file.")] = Path("reader.html"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output if it exists.")] = False,
) -> None:
    """Write the page of `digits draw` as one file with the model inside: any browser reads digits by it, offline."""
    from flows.drawing import pages
    from tasks.registry import package_of
    from tasks.scoring import delivery
    from tasks.store.files import written_whole

    delivery.check_writable(str(output), force)
    package = package_of(open_store(), package_id)
    content = pages.standalone(package, package.name).encode()
    try:
        with written_whole(output) as file:
            file.write(content)
    except OSError as error:
        raise StoreError("the page cannot be written", file=str(output), received=error.strerror) from error
    print(f"package     {package.name}")
    print(f"page        {output}, {naturalsize(len(content))}")


COMMANDS = (draw, export_page)
