"""The commands about packages and the champion: models, promote, rollback, diff, gc."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from humanize import naturalsize

from flows.cli.terminal import AsJson, Quiet, age, display, percent, print_list
from tasks import settings
from tasks.errors import StoreError, UsageError
from tasks.store import Artifact, Store
from tasks.words import counted, moment, p_value

if TYPE_CHECKING:
    from rich.table import Table

    from tasks.history.beside import Evidence
    from tasks.registry import Decision, PackageSummary, Reign
    from tasks.registry.difference import Difference

Because = Annotated[str | None, typer.Option(metavar="TEXT", help="Note this reason, for whoever asks later.")]
DECIDED_BY = {"gate": "the gate", "person": "a person", "rollback": "a person"}


def models(
    history: Annotated[
        bool, typer.Option("--history", help="List every decision about the champion instead, and why.")
    ] = False,
    beside: Annotated[
        bool,
        typer.Option("--beside", help="List instead what packages have answered beside others, and who was right."),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the packages: recipe, data, accuracy, size, age, and when each was champion."""
    from tasks import registry
    from tasks.scoring.submissions import submissions

    store = open_store()
    if beside:
        from tasks.history.beside import evidence

        known = evidence(store)
        if not known:
            raise StoreError("no package has answered beside another", remedy="score with `digits score … --beside ID`")
        print_list(known, [pair.second for pair in known], lambda: _beside_table(known), as_json, quiet)
        return
    if history:
        decisions = registry.history(store)
        if not decisions:
            raise StoreError("nothing has been decided yet", remedy="start with `digits run`")
        decisions.reverse()
        ids = [decision.package.partition("/")[2] for decision in decisions]
        print_list(decisions, ids, lambda: _decision_table(decisions), as_json, quiet)
        return
    entries = registry.package_summaries(store)
    if not entries:
        raise StoreError("there are no packages yet", remedy="make one with `digits run`")
    public = {submission.package: submission.score for submission in submissions(store)}
    for_programs = [{**vars(entry), "kaggle": public.get(entry.package.name)} for entry in entries]
    ids = [entry.package.id for entry in entries]
    print_list(for_programs, ids, lambda: _model_table(entries, public), as_json, quiet)


def promote(
    package_id: Annotated[
        str, typer.Argument(metavar="ID", help="Promote the package of this id; see `digits models`.")
    ],
    because: Because = None,
) -> None:
    """Make a package the champion, whatever the gate says of it; show what it answered beside the present one."""
    from tasks import registry
    from tasks.history import beside

    store = open_store()
    package = registry.package_of(store, package_id)
    before = registry.champion(store)
    known = beside.of(store, before.package, package.name) if before else None
    decision = registry.appoint(store, package, because, str(known).replace("\u00a0", " ") if known else None)
    if known:
        print(f"{package.name}: {known}".replace("\u00a0", " "))
    if decision == before:
        print(f"{package.name} is the champion already{'; the reason is not written down' if because else ''}")
    else:
        print(_sentence(decision))


def rollback(because: Because = None) -> None:
    """Go back to the champion before the present one; a second call goes back to the one before that."""
    from tasks import registry

    print(_sentence(registry.roll_back(open_store(), because)))


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Compare the package, model or evaluation of this id …")],
    second: Annotated[str, typer.Argument(metavar="B", help="… with this one.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Draw the images that they answer differently into this PNG.")
    ] = Path("diff.png"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output if it exists.")] = False,
) -> None:
    """Show where two models differ: parameters, data, metrics, and a picture of the images they disagree on."""
    from tasks.registry import difference
    from tasks.scoring import delivery

    if output.suffix.lower() != ".png":
        raise UsageError("this is no name of a picture", file=str(output), expected="one that ends in .png")
    delivery.check_writable(str(output), force)
    differences = difference.between(open_store(), first, second)
    _display_difference(differences)
    print(_disagreements(differences))
    if len(differences.disagreements.images):
        names = (differences.first.model.id, differences.second.model.id)
        difference.draw(differences.disagreements, output, names)
        print(f"{'picture':<11} {output}")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be removed.")] = False,
    keep_days: Annotated[
        int, typer.Option(min=0, max=36_500, help="Keep scores, comparisons, tunings and leftovers so many days.")
    ] = 30,
) -> None:
    """Remove what nothing refers to. Champions, past ones too, stay with everything that they were made from."""
    from tasks.history import ledger
    from tasks.registry import garbage

    store = open_store()
    if not dry_run:
        ledger.read(store)  # what is known of scores outlives them
    collect = garbage.find if dry_run else garbage.remove
    count = freed = 0
    for item in collect(store, keep_days=keep_days):
        print(f"{item.name}  {age(item.used.isoformat())}  {naturalsize(item.bytes)}")
        count += 1
        freed += item.bytes
    if count:
        print(f"{'would remove' if dry_run else 'removed'} {counted(count, 'item')}, {naturalsize(freed)}")
    else:
        print("nothing to remove")


COMMANDS = (models, promote, rollback, diff, gc)


def open_store() -> Store:
    return Store(settings.load().artifacts)


def decisions_about(store: Store, artifact: Artifact) -> dict[str, dict[str, str]]:
    """Return the decisions about a package with their reasons; none about any other artifact."""
    from tasks import registry

    decisions = {}
    for decision in registry.history(store):
        if decision.package == artifact.name:
            reasons = decision.reasons or [f"because: {decision.because}"]
            decisions[f"{decision.decided} {_verdict(decision)}"] = dict(line.split(": ", 1) for line in reasons)
    return decisions


def _model_table(entries: "list[PackageSummary]", public: Mapping[str, float]) -> "Table":
    """Return the packages as a table. public: the newest score at Kaggle, by package; no column of it without one."""
    from rich.table import Table

    columns = ("", "id", "recipe", "data", "accuracy", "calibration error", "first reader", "size", "age", "champion")
    table = Table(*columns, *(["Kaggle"] if public else []), box=None, header_style="bold")
    for entry in entries:
        score = public.get(entry.package.name)
        table.add_row(
            "*" if entry.champion else "",
            entry.package.id,
            "of another version, or damaged; see `digits verify`" if entry.recipe is None else _recipe(entry),
            Path(entry.data).name if entry.data else "–",
            percent(entry.accuracy),
            percent(entry.calibration_error),
            _first_reader(entry),
            "–" if entry.size is None else naturalsize(entry.size),
            age(entry.created) if entry.created else "–",
            ", ".join(map(_reign, entry.reigns)),
            *(["–" if score is None else f"{score:.5f}"] if public else []),
        )
    return table


def _beside_table(known: "list[Evidence]") -> "Table":
    from rich.table import Table

    columns = ("package", "beside", "since", "files", "rows", "differ", "read", "it right", "other right", "p")
    table = Table(*columns, box=None, header_style="bold")
    for pair in known:
        right = pair.right
        table.add_row(
            pair.second.partition("/")[2],
            pair.first.partition("/")[2],
            moment(pair.since),
            f"{pair.files:,}",
            f"{pair.rows:,}",
            f"{pair.differ:,} ({percent(pair.differ / pair.rows)})",
            f"{pair.read:,}",
            f"{right.only_first:,}",
            f"{right.only_second:,}",
            p_value(right.p),
        )
    return table


def _recipe(entry: "PackageSummary") -> str:
    return f"{entry.recipe}, refitted" if entry.refitted else str(entry.recipe)


def _first_reader(entry: "PackageSummary") -> str:
    """Return the share that it answers, and the share of all answers that it may change by its promise."""
    chosen = entry.cascade
    return f"{percent(chosen.answered / chosen.images)}, at most {percent(chosen.at_most)} differ" if chosen else "–"


def _reign(reign: "Reign") -> str:
    since = moment(reign.since)
    return f"since {since}" if reign.until is None else f"{since} to {moment(reign.until)}"


def _decision_table(decisions: "list[Decision]") -> "Table":
    """Return the decisions as a table, in their order."""
    from rich.table import Table

    from tasks import registry

    table = Table("when", "package", "decision", "by", "because", box=None, header_style="bold")
    for decision in decisions:
        first_reason, *reasons = registry.reasons(decision)
        package_id = decision.package.partition("/")[2]
        decided_by = DECIDED_BY.get(decision.by, decision.by)
        table.add_row(moment(decision.decided), package_id, _verdict(decision), decided_by, first_reason)
        for reason in reasons:
            table.add_row("", "", "", "", reason)
    return table


def _verdict(decision: "Decision") -> str:
    if decision.by == "rollback":
        return "rolled back to"
    return "promoted" if decision.promoted else "refused"


def _sentence(decision: "Decision") -> str:
    before = f", before it {decision.previous}" if decision.previous else ""
    return f"{decision.package} is the champion{before}: {decision.because}"


def _display_difference(difference: "Difference") -> None:
    from rich.table import Table

    table = Table("", difference.first.model.name, difference.second.model.name, box=None, header_style="bold")
    for title, changes in (
        ("parameters", difference.parameters),
        ("data", difference.data),
        ("metrics", difference.metrics),
    ):
        table.add_row(title, *([] if changes else ["the same", "the same"]))
        for change in changes:
            table.add_row(f"  {change.name}", _value(change.first), _value(change.second))
    display(table)


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _disagreements(difference: "Difference") -> str:
    """Return the line that says on how many images the answers differ, and who reads those right."""
    from tasks.registry.difference import SHOWN

    apart = len(difference.disagreements.images)
    new = f"of the {counted(difference.compared, 'image')} that neither has learned from"
    if not difference.compared:
        return f"{'images':<11} there are none that neither has learned from"
    if not apart:
        return f"{'images':<11} {new}, all are answered alike"
    paired = difference.paired
    shown = f"; the picture shows {SHOWN}" if apart > SHOWN else ""
    return (
        f"{'images':<11} {new}, {apart:,} {'is' if apart == 1 else 'are'} answered differently: "
        f"{paired.only_first:,} only {difference.first.model.id} reads right, "
        f"{paired.only_second:,} only {difference.second.model.id} (McNemar's p {paired.p:.2g}){shown}"
    )
