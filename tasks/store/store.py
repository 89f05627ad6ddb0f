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
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.errors import StoreError
from tasks.store.artifact import Artifact, inventory
from tasks.store.drafts import Draft, draft_folder, new_draft, unwritable
from tasks.store.files import sync
from tasks.store.locks import try_lock
from tasks.store.manifest import ID, MANIFEST, Manifest, write_manifest
from tasks.store.provenance import Clock, code_version, commit, versions

log = logging.getLogger(__name__)

ID_LENGTH, SHORTEST_ID = 12, 4


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
        """Return the artifact of this work: the one that exists, or else a new one.

        build: writes files into `draft.folder` and returns the metrics, as a dataclass that `Artifact.measured` gives
            again; it is not called where nothing is to do.
        code: name of the module that does the work.
        Raises: StoreError if the folder cannot be written; whatever build raises, after which no trace is left.
        """
        made_from = _made_from(kind, code, parameters, inputs)
        digest = _digest(made_from)
        newest = self._newest(kind, digest)
        self.mark_used(*inputs, *([newest] if newest else []))
        if newest and not fresh:
            log.info("%s: found, nothing to do%s", newest.name, _other_versions(newest))
            return newest
        # Settled before the work: another run that is quicker with the same publishes under the same id.
        artifact_id = f"{digest}-{_attempt(newest.id) + 1}" if newest else digest
        with self._draft(f"{kind}-{artifact_id}") as draft:
            clock = Clock()
            metrics = build(draft)
            manifest = Manifest(
                **made_from,
                id=artifact_id,
                files=inventory(draft.folder),
                metrics=metrics if isinstance(metrics, dict) else asdict(metrics),
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
        """Return what `make` would: the artifact if it exists, else the id that it would get."""
        digest = _digest(_made_from(kind, code, parameters, inputs))
        return self._newest(kind, digest) or digest

    def get(self, name: str) -> Artifact:
        """Return the artifact of a name `kind/id`, or of an id, whole or its first letters.

        Raises: StoreError if there is none, more than one, or too few letters are named.
        """
        kind, _, start = name.rpartition("/")
        if len(start) < SHORTEST_ID:
            raise StoreError(
                f"{name!r} is too short for an id",
                expected="at least four letters of it",
                remedy="see `digits artifacts` for those there are",
            )
        fitting = [artifact for artifact in self.all() if artifact.id.startswith(start) and kind in ("", artifact.kind)]
        exact = [artifact for artifact in fitting if artifact.id == start]
        if len(fitting) == 1 or len(exact) == 1:
            return (exact or fitting)[0]
        if fitting:
            names = ", ".join(artifact.name for artifact in fitting[:5])
            raise StoreError(f"{name!r} fits several artifacts: {names}", remedy="give more of the id")
        raise StoreError(f"there is no artifact {name!r}", remedy="see `digits artifacts` for those there are")

    def find(self, name: str) -> Artifact | None:
        """Return the artifact of exactly this name (`kind/id`), or None."""
        folder = self.root / name
        return Artifact.at(folder) if _published(folder) is not None else None

    def all(self) -> list[Artifact]:
        """Return every published artifact, oldest first; also those whose manifest cannot be read.

        Raises: StoreError if a folder that holds artifacts cannot be read.
        """
        times = {folder: _published(folder) for folder in self.folders()}
        published = [(time, folder) for folder, time in times.items() if time is not None]
        return [Artifact.at(folder) for _, folder in sorted(published)]

    def lost(self) -> list[Path]:
        """Return the folders that are named like artifacts and have no manifest: what some fault has left."""
        return [folder for folder in self.folders() if _published(folder) is None]

    def folders(self) -> list[Path]:
        """Return every folder of an artifact, also of one that has lost its manifest.

        Raises: StoreError if a folder that holds artifacts cannot be read: as if they were gone would be wrong.
        """
        if not self.root.is_dir():  # before the first artifact
            return []
        try:
            kinds = [path for path in self.root.iterdir() if path.name[0] not in "._" and path.is_dir()]
            # Paths compare ten times as slowly as their names.
            folders = [
                folder for kind in sorted(kinds) for folder in sorted(kind.iterdir(), key=lambda path: path.name)
            ]
        except OSError as error:
            raise StoreError(
                "the folder cannot be read",
                file=str(error.filename),
                received=error.strerror,
                remedy="mend its permissions",
            ) from error
        return [folder for folder in folders if ID.fullmatch(folder.name)]

    def mark_used(self, *artifacts: Artifact) -> None:
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
            aside = new_draft(self.root, path.name.replace("@", "-"))
            aside.parent.mkdir(exist_ok=True)
            path.rename(aside)
        except OSError as error:
            raise unwritable(self.root, error) from error
        shutil.rmtree(aside, ignore_errors=True)

    def _newest(self, kind: str, digest: str) -> Artifact | None:
        folders = [path.parent for path in (self.root / kind).glob(f"{digest}*/{MANIFEST}")]
        redone = [folder for folder in folders if ID.fullmatch(folder.name)]  # of copies beside them no one is meant
        return Artifact.at(max(redone, key=lambda folder: _attempt(folder.name)), reused=True) if redone else None

    @contextlib.contextmanager
    def _draft(self, name: str) -> Iterator[Draft]:
        try:
            with draft_folder(self.root, name) as folder, self._scratch(name) as scratch:
                yield Draft(folder, scratch)
        except OSError as error:
            # Other trouble, with an input for example, is the stage's to explain.
            ours = str(error.filename or "").startswith((str(self.root / ".drafts"), str(self.root / ".scratch")))
            if ours or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise unwritable(self.root, error) from error
            raise

    @contextlib.contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        """Yield the scratch folder of a work; one of its own for a second run of the same work at the same time."""
        scratch = self.root / ".scratch" / name
        scratch.parent.mkdir(exist_ok=True)
        lock = scratch.with_name(f"{name}.lock")
        with try_lock(lock) as ours:
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
        write_manifest(draft.folder, manifest)
        for path in sorted(draft.folder.rglob("*"), reverse=True):
            sync(path)
        sync(draft.folder)
        target = self.root / manifest.kind / manifest.id
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists() and _published(target) is None:
                # It does not exist by our definition; the next sweep takes it away.
                target.rename(draft.folder.with_name(f"{draft.folder.name}.lost"))
            draft.folder.rename(target)
        except OSError as error:
            if _published(target) is None:
                raise unwritable(self.root, error) from error
            log.info("%s/%s: another run has published it meanwhile", manifest.kind, manifest.id)
        sync(target.parent)
        sync(self.root)
        shutil.rmtree(draft.scratch, ignore_errors=True)
        return Artifact.at(target)


def lineage(store: Store, artifact: Artifact) -> dict[str, Artifact | None]:
    """Return the artifacts that this one was made from, by name, nearest first; None where one is gone.

    Raises: StoreError if a manifest on the way cannot be read.
    """
    ancestors: dict[str, Artifact | None] = {}
    waiting = list(artifact.manifest().inputs)
    while waiting:
        name = waiting.pop(0)
        if name not in ancestors:
            ancestors[name] = ancestor = store.find(name)
            waiting += ancestor.manifest().inputs if ancestor else []
    return ancestors


def nearest(store: Store, artifact: Artifact) -> dict[str, Artifact]:
    """Return of each kind the nearest artifact that this one was made from: a review brings older ones along."""
    ancestors = reversed([ancestor for ancestor in lineage(store, artifact).values() if ancestor])
    return {ancestor.kind: ancestor for ancestor in ancestors}


def _published(folder: Path) -> int | None:
    """Return when an artifact was published, in nanoseconds; None if it has no manifest, 0 if that cannot be told."""
    try:
        return (folder / MANIFEST).stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last: no name of a file
        return None
    except OSError:
        return 0


def _other_versions(artifact: Artifact) -> str:
    """Return in words the libraries that an artifact was made with in another version than there is now."""
    present = versions()
    changes = [
        f"{name} {version} (now {present[name]})"
        for name, version in artifact.manifest().versions.items()
        if name not in ("digitflow", "prefect") and present.get(name, version) != version
    ]
    return f"; made with {', '.join(changes)}" if changes else ""


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
