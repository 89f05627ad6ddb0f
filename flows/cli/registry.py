"""The commands about what there is: models, promote, rollback, diff, gc. `cli.py` registers them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli.terminal import age, display, size
from tasks import settings
from tasks.errors import StoreError, UsageError
from tasks.store import Artifact, Store

if TYPE_CHECKING:
    from rich.table import Table

    from tasks.registry import Decision, PackageSummary, Reign
    from tasks.registry.difference import Difference

Because = Annotated[str | None, typer.Option(metavar="TEXT", help="The reason, for whoever asks later.")]
DECIDED_BY = {"gate": "the gate", "person": "a person", "rollback": "a person"}


def models(
    history: Annotated[bool, typer.Option("--history", help="Every decision about the champion, and why.")] = False,
) -> None:
    """List the packages: champion or not, recipe, data, accuracy, size, age, and when each was champion."""
    from tasks import registry

    store = _store()
    if history:
        decisions = registry.history(store)
        if not decisions:
            raise StoreError("nothing has been decided yet", remedy="start with `digits run`")
        display(_decision_table(decisions))
        return
    entries = registry.package_summaries(store)
    if not entries:
        raise StoreError("there are no packages yet", remedy="make one with `digits run`")
    display(_model_table(entries))


def promote(
    package_id: Annotated[str, typer.Argument(metavar="ID", help="Of a package; see `digits models`.")],
    because: Because = None,
) -> None:
    """Make a package champion, whatever the gate says of it."""
    from tasks import registry

    store = _store()
    package = registry.package_of(store, package_id)
    before = registry.champion(store)
    decision = registry.appoint(store, package, because)
    if decision == before:
        print(f"{package.name} is the champion already{'; the reason is not written down' if because else ''}")
    else:
        print(_told(decision))


def rollback(because: Because = None) -> None:
    """Make the champion before the present one champion again; once more, the one before that."""
    from tasks import registry

    print(_told(registry.roll_back(_store(), because)))


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Id of a package, a model or an evaluation.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="PNG of the images that they answer differently.")
    ] = Path("diff.png"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
) -> None:
    """Tell two models apart: parameters, data, metrics, and a picture of the images they disagree on."""
    from tasks.registry import difference

    _look_at(output, force)
    found = difference.between(_store(), first, second)
    _display_difference(found)
    print(_told_images(found))
    if len(found.disagreements.images):
        difference.draw(found.disagreements, output, (found.first.model.id, found.second.model.id))
        print(f"{'picture':<11} {output}")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    keep_days: Annotated[
        int,
        typer.Option(
            min=0, max=36_500, help="Keep scores, comparisons, tunings and what killed runs left for so many days."
        ),
    ] = 30,
) -> None:
    """Remove what nothing refers to; champions, past ones too, stay with all that they were made from."""
    from tasks.registry import garbage

    store = _store()
    found = garbage.find(store, keep_days=keep_days) if dry_run else garbage.remove(store, keep_days=keep_days)
    count = freed = 0
    for one in found:
        print(f"{one.name}  {age(one.used.isoformat())}  {size(one.bytes)}")
        count, freed = count + 1, freed + one.bytes
    print(f"{'would remove' if dry_run else 'removed'} {count:,}, {size(freed)}" if count else "nothing to remove")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (models, promote, rollback, diff, gc):
        app.command()(command)


def decisions_of(store: Store, artifact: Artifact) -> dict[str, dict[str, str]]:
    """What was decided of a package, and why, for `digits show`; nothing of anything else."""
    from tasks import registry

    found = {}
    for one in (one for one in registry.history(store) if one.package == artifact.name):
        reasons = one.reasons or [f"because: {one.because}"]
        found[f"{one.decided} {_verdict(one)}"] = dict(line.split(": ", 1) for line in reasons)
    return found


def _store() -> Store:
    return Store(settings.load().artifacts)


# --- models -----------------------------------------------------------------------------------------------------


def _model_table(entries: "list[PackageSummary]") -> "Table":
    from rich.table import Table

    columns = ("", "id", "recipe", "data", "accuracy", "calibration error", "size", "age", "champion")
    table = Table(*columns, box=None, header_style="bold")
    for one in entries:
        table.add_row(
            "*" if one.champion else "",
            one.package.id,
            "damaged or gone in part; see `digits verify`" if one.recipe is None else _recipe(one),
            Path(one.data).name if one.data else "–",
            "–" if one.accuracy is None else f"{one.accuracy:.2%}",
            "–" if one.calibration_error is None else f"{one.calibration_error:.2%}",
            "–" if one.size is None else size(one.size),
            age(one.created) if one.created else "–",
            ", ".join(map(_reign, one.reigns)),
        )
    return table


def _recipe(entry: "PackageSummary") -> str:
    return f"{entry.recipe}, refitted" if entry.refitted else str(entry.recipe)


def _reign(reign: "Reign") -> str:
    since = _moment(reign.since)
    return f"since {since}" if reign.until is None else f"{since} to {_moment(reign.until)}"


def _moment(iso: str) -> str:
    from tasks.words import moment

    return moment(iso)


def _decision_table(decisions: "list[Decision]") -> "Table":
    """Newest first, as the list of models."""
    from rich.table import Table

    from tasks import registry

    table = Table("when", "package", "decision", "by", "because", box=None, header_style="bold")
    for one in reversed(decisions):
        first, *others = registry.reasons(one)
        table.add_row(
            _moment(one.decided), one.package.partition("/")[2], _verdict(one), DECIDED_BY.get(one.by, one.by), first
        )
        for line in others:
            table.add_row("", "", "", "", line)
    return table


def _verdict(decision: "Decision") -> str:
    if decision.by == "rollback":
        return "rolled back to"
    return "promoted" if decision.promoted else "refused"


def _told(decision: "Decision") -> str:
    before = f", before it {decision.previous}" if decision.previous else ""
    return f"{decision.package} is the champion{before}: {decision.because}"


# --- diff -------------------------------------------------------------------------------------------------------


def _look_at(output: Path, force: bool) -> None:
    """Whether a picture can be written there, before the work. Raises: UsageError, StoreError."""
    if output.suffix.lower() != ".png":
        raise UsageError("this is no name of a picture", file=str(output), expected="one that ends in .png")
    if output.exists() and not force:
        raise UsageError(
            "there is such a file already", file=str(output), remedy="name another by --output, or give --force"
        )
    if not output.absolute().parent.is_dir():
        raise StoreError("there is no such folder", file=str(output.parent), remedy="make it, or name another")


def _display_difference(found: "Difference") -> None:
    from rich.table import Table

    table = Table("", found.first.model.name, found.second.model.name, box=None, header_style="bold")
    for title, changes in (("parameters", found.parameters), ("data", found.data), ("metrics", found.metrics)):
        table.add_row(title, *([] if changes else ["the same", "the same"]))
        for change in changes:
            table.add_row(f"  {change.name}", _value(change.first), _value(change.second))
    display(table)


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _told_images(found: "Difference") -> str:
    from tasks.registry.difference import SHOWN

    apart = len(found.disagreements.images)
    if not found.compared:
        return f"{'images':<11} none that both were judged on"
    if not apart:
        return f"{'images':<11} all {found.compared:,} that both were judged on are answered alike"
    paired = found.paired
    shown = f"; the picture shows {SHOWN}" if apart > SHOWN else ""
    return (
        f"{'images':<11} {apart:,} of {found.compared:,} are answered differently: "
        f"{paired.only_first:,} only {found.first.model.id} reads right, "
        f"{paired.only_second:,} only {found.second.model.id} (McNemar's p {paired.p:.2g}){shown}"
    )
