"""The commands about artifacts of any kind: artifacts, show, verify."""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import chain
from typing import Annotated, Any

import typer
from humanize import naturalsize

from flows.cli.registry import decisions_about, open_store
from flows.cli.terminal import AsJson, Quiet, age, display, print_json, print_list
from tasks.errors import StoreError, meant
from tasks.store import Artifact, find_damage, lineage
from tasks.words import counted


def artifacts(
    kind: Annotated[str | None, typer.Argument(help="List only artifacts of this kind: dataset, model, …")] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """List the artifacts: kind, id, age, size, and what each was made from."""
    from rich.table import Table

    all_artifacts = open_store().all()
    kinds = sorted({artifact.kind for artifact in all_artifacts})
    if not kinds:
        raise StoreError("there are no artifacts yet", remedy="start with `digits run`")
    if kind and kind not in kinds:
        what = f"there are no artifacts of the kind {kind!r}{meant(kind, kinds)}"
        raise StoreError(what, expected=f"one of {', '.join(kinds)}")
    listed = [artifact for artifact in all_artifacts if kind in (None, artifact.kind)]

    def table() -> Table:
        table = Table("kind", "id", "age", "size", "made from", box=None, header_style="bold")
        for artifact in listed:
            table.add_row(artifact.kind, artifact.id, *_age_size_origin(artifact))
        return table

    entries = [_entry(artifact) for artifact in listed] if as_json else []
    print_list(entries, [artifact.name for artifact in listed], table, as_json, quiet)


def show(
    artifact_id: Annotated[str, typer.Argument(metavar="ID", help="An id, the beginning of one, or kind/id.")],
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show an artifact as YAML: how it was made, from what up to the source file, and what it holds."""
    store = open_store()
    artifact = store.get(artifact_id)
    if quiet and not as_json:
        print(artifact.path)
        return
    manifest = asdict(artifact.manifest())
    if as_json:
        print_json(manifest)
        return
    files = {name: f"{naturalsize(file['bytes'])}, sha256 {file['sha256']}" for name, file in manifest["files"].items()}
    ancestors = {artifact.name: artifact, **lineage(store, artifact)}
    outline = {
        "artifact": artifact.name,
        "folder": str(artifact.path),
        **{name: value for name, value in manifest.items() if name not in ("kind", "id", "inputs", "files")},
        "files": files,
        "decisions": decisions_about(store, artifact),
        "lineage": {name: _origin(ancestor) if ancestor else "gone" for name, ancestor in ancestors.items()},
    }
    display(_yaml({name: _summary(value) for name, value in outline.items() if value}))


def verify() -> None:
    """Check every file of every artifact against its checksum, and name what is damaged or gone."""
    from tasks.registry import decisions

    store = open_store()
    faults = 0
    for line in chain(find_damage(store), decisions.damage(store)):
        print(line)
        faults += 1
    if faults:
        raise StoreError(
            f"{counted(faults, 'fault')} found",
            file=str(store.root),
            remedy="put back from a copy what is named above, or remove its folders and run again",
        )
    print(f"{counted(len(store.all()), 'artifact')} verified: nothing is damaged or missing")


LONGEST = 10  # numbers of a list that `show` prints
COMMANDS = (artifacts, show, verify)


def _entry(artifact: Artifact) -> dict[str, Any]:
    """Return what the list holds of an artifact, for programs."""
    try:
        manifest = artifact.manifest()
    except StoreError:
        return {"kind": artifact.kind, "id": artifact.id, "damaged": True}
    entry = {"created": manifest.created, "bytes": manifest.size, "inputs": manifest.inputs}
    return {"kind": artifact.kind, "id": artifact.id, **entry, "data": manifest.source.get("data")}


def _age_size_origin(artifact: Artifact) -> tuple[str, str, str]:
    """Return three cells of the list; one damaged manifest does not hide the rest of it."""
    try:
        manifest = artifact.manifest()
    except StoreError:
        return ("", "", "damaged: the manifest cannot be read")
    # Scores name what they are of before the package, which is the same for many.
    origin = ", ".join(filter(None, [str(manifest.source.get("data", "")), *manifest.inputs]))
    return (age(manifest.created), naturalsize(manifest.size), origin)


def _origin(artifact: Artifact) -> str:
    """Return in words what an artifact was made from: other artifacts, the first files of a dataset, or a name."""
    manifest = artifact.manifest()
    files = manifest.source.get("files", [])
    names = [f"{file['path']} sha256 {file['sha256']}" if "sha256" in file else file["path"] for file in files[:3]]
    rest = [counted(len(files) - 3, "more file")] if len(files) > 3 else []
    return f"from {', '.join([*manifest.inputs, *names, *rest]) or manifest.source.get('data')}"


def _summary(value: Any) -> Any:
    """Return a value with long lists of numbers and tables cut to what they are; `--json` has all of it."""
    if isinstance(value, Mapping):
        return {name: _summary(inner) for name, inner in value.items()}
    if isinstance(value, list) and len(value) > LONGEST and not any(isinstance(inner, str) for inner in value):
        if all(isinstance(inner, int | float) for inner in value):
            return f"{len(value)} numbers from {min(value):.4g} to {max(value):.4g}"
        return f"{len(value)} entries"
    return value


def _yaml(values: Mapping[str, Any]) -> str:
    """Return nested values as YAML, each list on one line."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
            return super().represent_sequence(tag, sequence, flow_style=True)

    text: str = yaml.dump(values, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.rstrip("\n")
