"""Versioned artifacts: folders `artifacts/<kind>/<id>/`, each with a `manifest.json`, written once and whole.

The id is the digest of what made the artifact: its kind, the code, the parameters and the inputs' ids. So the same
work is found and not done again, whoever asks. A redo on demand (`fresh`) gets the id with `-2`, `-3`, … behind it,
and is the one found from then on; nobody writes into a published artifact.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tasks.errors import StoreError
from tasks.store.files import sync
from tasks.store.locks import tried
from tasks.store.provenance import Clock, code_version, commit, versions

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
ID_LENGTH = 12
Metrics = dict[str, Any]
M = TypeVar("M")


@dataclass(frozen=True)
class Artifact:
    """Reference to a published artifact: what travels between tasks."""

    kind: str
    id: str
    path: Path
    reused: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.id}"

    def manifest(self) -> "Manifest":
        """Raises: StoreError if it is missing or damaged."""
        return read_manifest(self.path)

    @property
    def metrics(self) -> Metrics:
        """The metrics as they stand in the manifest, for what shows them; what works with them calls `measured`."""
        return self.manifest().metrics

    def measured(self, form: type[M]) -> M:
        """Return the metrics as the dataclass `form`, that with which `Store.make` was given them.

        Raises: StoreError if the manifest cannot be read, or its metrics are not of that form.
        """
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(form).validate_python(self.metrics)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise StoreError(
                "the metrics are not what was written",
                file=str(self.path / MANIFEST),
                expected=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
                received=repr(first["input"])[:100],
                remedy="put it back from a copy, or remove its folder and run again",
            ) from error

    def file(self, name: str) -> Path:
        """The path of one of its files, for what must not be loaded unless it is what was written.

        Raises: StoreError if the checksum does not hold.
        """
        path, recorded = self.path / name, self.manifest().files.get(name)
        if not recorded or not path.exists() or sha256(path) != recorded["sha256"]:
            raise StoreError(
                "the file is not what was written",
                file=str(path),
                expected=f"sha256 {recorded['sha256']}" if recorded else "a file that the manifest names",
                received="another one" if path.exists() else "no file",
                remedy="put it back from a copy, or remove its folder and run again",
            )
        return path


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds.

    inputs: names (`kind/id`) of the artifacts that this one was made from.
    files: size in bytes and sha256 of each file, by its path in the folder.
    seconds: what the making cost: wall, and cpu (user and system, with children).
    source: for a dataset, the file it came from and its sha256; else empty.
    """

    kind: str
    id: str
    code: str
    parameters: dict[str, Any]
    inputs: list[str]
    files: dict[str, dict[str, Any]]
    metrics: Metrics
    seconds: dict[str, float]
    created: str
    versions: dict[str, str]
    commit: str | None
    flow_run: str | None
    source: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file["bytes"] for file in self.files.values())


@dataclass(frozen=True)
class Draft:
    """An artifact in the making.

    folder: where its files are written; becomes the artifact when the work is done, and vanishes when it fails.
    scratch: a folder that outlives a kill, for checkpoints; removed when the artifact is published.
    """

    folder: Path
    scratch: Path


@dataclass(frozen=True)
class Store:
    """The artifacts below one folder.

    flow_run: id of the flow run on whose behalf it is used; only recorded.
    """

    root: Path
    flow_run: str | None = None

    def make(
        self,
        kind: str,
        build: Callable[[Draft], Any],
        *,
        code: str,
        parameters: Mapping[str, Any],
        inputs: Sequence[Artifact] = (),
        source: Mapping[str, Any] | None = None,
        fresh: bool = False,
    ) -> Artifact:
        """The artifact of this work: the one that exists, or else a new one.

        build writes files into `draft.folder` and returns the metrics, as a dataclass that `Artifact.measured` gives
        again; it is not called where nothing is to do.
        code: name of the module that does the work.
        Raises: StoreError if the folder cannot be written; whatever build raises, after which no trace is left.
        """
        made_from = _made_from(kind, code, parameters, inputs)
        digest = _digest(made_from)
        newest = self._newest(kind, digest)
        self.in_use(*inputs, *([newest] if newest else []))
        if newest and not fresh:
            log.info("%s: found, nothing to do", newest.name)
            return newest
        # Settled before the work: another run that is quicker with the same publishes under the same id.
        artifact_id = f"{digest}-{_attempt(newest.id) + 1}" if newest else digest
        with self._draft(f"{kind}-{artifact_id}") as draft:
            clock = Clock()
            metrics = build(draft)
            metrics = metrics if isinstance(metrics, dict) else asdict(metrics)
            manifest = Manifest(
                **made_from,
                id=artifact_id,
                files=_inventory(draft.folder),
                metrics=metrics,
                seconds=clock.read(),
                created=datetime.now(UTC).isoformat(timespec="seconds"),
                versions=versions(),
                commit=commit(),
                flow_run=self.flow_run,
                source=dict(source or {}),
            )
            return self._publish(draft, manifest)

    def planned(
        self, kind: str, *, code: str, parameters: Mapping[str, Any], inputs: Sequence[Artifact] = ()
    ) -> Artifact | str:
        """What `make` would make: the artifact if it exists, else the id that it would get."""
        digest = _digest(_made_from(kind, code, parameters, inputs))
        return self._newest(kind, digest) or digest

    def get(self, name: str) -> Artifact:
        """The artifact of a name `kind/id`, or of an id, whole or its first letters.

        Raises: StoreError if there is none, or more than one.
        """
        kind, _, start = name.rpartition("/")
        found = [artifact for artifact in self.all() if artifact.id.startswith(start) and kind in ("", artifact.kind)]
        exact = [artifact for artifact in found if artifact.id == start]
        if len(found) == 1 or len(exact) == 1:
            return (exact or found)[0]
        if found:
            names = ", ".join(artifact.name for artifact in found[:5])
            raise StoreError(f"{name!r} fits several artifacts: {names}", remedy="give more of the id")
        raise StoreError(f"there is no artifact {name!r}", remedy="see `digits artifacts` for those there are")

    def all(self) -> list[Artifact]:
        """Every published artifact, oldest first."""
        manifests = sorted(self.root.glob(f"[!._]*/*/{MANIFEST}"), key=lambda path: path.stat().st_mtime_ns)
        return [Artifact(path.parent.parent.name, path.parent.name, path.parent) for path in manifests]

    def find(self, name: str) -> Artifact | None:
        """The artifact of exactly this name (`kind/id`), or None."""
        path = self.root / name
        return Artifact(path.parent.name, path.name, path) if (path / MANIFEST).exists() else None

    def in_use(self, *artifacts: Artifact) -> None:
        """Note as the time of their folders that they are in use, for `garbage.py`; nothing in them changes."""
        for artifact in artifacts:
            with contextlib.suppress(OSError):  # a store that is only read from
                os.utime(artifact.path)

    def remove(self, path: Path) -> None:
        """Take away a file or folder below the root: at once for readers; what a kill leaves of it, a sweep removes.

        Raises: StoreError if the folder cannot be written.
        """
        try:
            if not path.is_dir():
                path.unlink(missing_ok=True)
                return
            aside = self._draft_folder(path.name.replace("@", "-"))
            aside.parent.mkdir(exist_ok=True)
            path.rename(aside)
        except OSError as error:
            raise unwritable(self.root, error) from error
        shutil.rmtree(aside, ignore_errors=True)

    def _draft_folder(self, name: str) -> Path:
        return self.root / ".drafts" / f"{name}@{socket.gethostname()}@{os.getpid()}@{uuid.uuid4().hex[:8]}"

    def _newest(self, kind: str, digest: str) -> Artifact | None:
        redone = [path.parent for path in (self.root / kind).glob(f"{digest}*/{MANIFEST}")]
        if not redone:
            return None
        path = max(redone, key=lambda path: _attempt(path.name))
        return Artifact(kind, path.name, path, reused=True)

    @contextlib.contextmanager
    def _draft(self, name: str) -> Iterator[Draft]:
        folder = self._draft_folder(name)
        drafts = folder.parent
        try:
            _sweep(drafts)
            folder.mkdir(parents=True)
            with self._scratch(name) as scratch:
                yield Draft(folder, scratch)
        except OSError as error:
            # Other trouble, with an input for example, is the stage's to explain.
            ours = str(error.filename or "").startswith((str(drafts), str(self.root / ".scratch")))
            if ours or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise unwritable(self.root, error) from error
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        """The scratch folder of a work; one of its own for a second run of the same work at the same time."""
        scratch = self.root / ".scratch" / name
        scratch.parent.mkdir(exist_ok=True)
        lock = scratch.with_name(f"{name}.lock")
        with tried(lock) as ours:
            if not ours:
                scratch = scratch.with_name(f"{name}@{uuid.uuid4().hex[:8]}")
            try:
                yield scratch
            finally:
                if ours:
                    # Nobody waits for this lock, so whoever comes from now on makes a new file.
                    lock.unlink(missing_ok=True)
                else:
                    shutil.rmtree(scratch, ignore_errors=True)

    def _publish(self, draft: Draft, manifest: Manifest) -> Artifact:
        (draft.folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")
        for path in sorted(draft.folder.rglob("*"), reverse=True):
            sync(path)
        sync(draft.folder)
        target = self.root / manifest.kind / manifest.id
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not (target / MANIFEST).exists():
            # It does not exist by our definition; the next sweep takes it away.
            target.rename(draft.folder.with_name(f"{draft.folder.name}.lost"))
        try:
            draft.folder.rename(target)
        except OSError:
            if not (target / MANIFEST).exists():
                raise
            log.info("%s/%s: another run has published it meanwhile", manifest.kind, manifest.id)
        sync(target.parent)
        shutil.rmtree(draft.scratch, ignore_errors=True)
        return Artifact(manifest.kind, manifest.id, target)


def read_manifest(folder: Path) -> Manifest:
    """Raises: StoreError if the manifest is missing or cannot be read."""
    path = folder / MANIFEST
    try:
        manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
        datetime.fromisoformat(manifest.created)
        if not all(isinstance(name, str) for name in manifest.inputs):
            raise TypeError("its inputs are no names")
        return manifest
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(
            "the manifest cannot be read",
            file=str(path),
            received=str(error),
            remedy="remove this folder and run again",
        ) from error


def damage(artifact: Artifact) -> list[str]:
    """What is wrong with an artifact, a line each; nothing if every checksum holds."""
    try:
        manifest = artifact.manifest()
    except StoreError as error:
        return [str(error)]
    found = _inventory(artifact.path)
    made_from = {key: getattr(manifest, key) for key in ("kind", "code", "parameters", "inputs")}
    lines = []
    if _digest(made_from) != artifact.id.partition("-")[0]:
        lines.append("manifest.json: what it says made the artifact does not give its id")
    for name, file in manifest.files.items():
        if name not in found:
            lines.append(f"{name}: missing")
        elif found[name] != file:
            lines.append(f"{name}: damaged, its sha256 is not the one recorded")
    lines += [f"{name}: not recorded in the manifest" for name in found if name not in manifest.files]
    return lines


def lineage(store: Store, artifact: Artifact) -> dict[str, Artifact | None]:
    """The artifacts that this one was made from, by name, nearest first; None where one is gone."""
    seen: dict[str, Artifact | None] = {}
    waiting = list(artifact.manifest().inputs)
    while waiting:
        name = waiting.pop(0)
        if name not in seen:
            seen[name] = found = store.find(name)
            waiting += found.manifest().inputs if found else []
    return seen


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file's bytes. Raises: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _made_from(kind: str, code: str, parameters: Mapping[str, Any], inputs: Sequence[Artifact]) -> dict[str, Any]:
    return {
        "kind": kind,
        "code": code_version(code),
        "parameters": json.loads(json.dumps(parameters)),
        "inputs": [artifact.name for artifact in inputs],
    }


def _digest(made_from: Mapping[str, Any]) -> str:
    canonical = json.dumps(made_from, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:ID_LENGTH]


def _attempt(artifact_id: str) -> int:
    return int(artifact_id.partition("-")[2] or 1)


def _inventory(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }


def _sweep(drafts: Path) -> None:
    """Remove the drafts of processes of this machine that are gone."""
    for draft in drafts.glob(f"*@{socket.gethostname()}@*"):
        try:
            os.kill(int(draft.name.split("@")[2]), 0)
        except ProcessLookupError:
            shutil.rmtree(draft, ignore_errors=True)
        except (PermissionError, ValueError):
            continue


def unwritable(root: Path, error: OSError) -> StoreError:
    return StoreError(
        "the artifacts folder cannot be written",
        file=str(root),
        # HDF5 puts a paragraph where others have "No space left on device".
        received=os.strerror(error.errno) if error.errno else str(error),
        remedy="free space, mend the permissions, or set DIGITS_HOME to another folder",
    )
