"""The manifest of an artifact: what it is, what made it, its files with their digests, and what was measured."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.errors import StoreError
from tasks.store.typed import as_json, parsed

MANIFEST = "manifest.json"
REMEDY = "put it back from a copy, or remove its folder and run again"
ID = re.compile(r"[0-9a-f]{12}(-\d+)?")
NAME = re.compile(rf"[a-z]+/{ID.pattern}")
# The last line covers those above it, so that no value can change without being noticed.
DIGEST = b',\n  "digest": "'


@dataclass(frozen=True)
class File:
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What `manifest.json` holds, besides the digest of itself.

    inputs: names (`kind/id`) of the artifacts that this one was made from.
    files: by their path in the folder.
    metrics: what was measured; see `Artifact.measured`.
    seconds: what the making cost: wall, and cpu (user and system, with children).
    created: ISO 8601, with its zone.
    source: for a dataset or scores, `data`, as the user named it, and `files`, each with path and size; else empty.
    """

    kind: str
    id: str
    code: str
    parameters: dict[str, Any]
    inputs: list[str]
    files: dict[str, File]
    metrics: dict[str, Any]
    seconds: dict[str, float]
    created: str
    versions: dict[str, str]
    commit: str | None
    flow_run: str | None
    source: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        datetime.fromisoformat(self.created)  # to be told where the manifest is read

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files.values())

    @property
    def references(self) -> list[str]:
        """The names of its inputs, and of what its metrics name: a refitted model its judged twin, for example."""
        names = [value for value in self.metrics.values() if isinstance(value, str) and NAME.fullmatch(value)]
        return list(dict.fromkeys([*self.inputs, *names]))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Raises: OSError."""
    (folder / MANIFEST).write_bytes(_with_digest(as_json(manifest, indent=2).removesuffix(b"\n}")))


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of an artifact. Raises: StoreError if it is missing, or not what was written."""
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(
            "the manifest cannot be read", file=str(path), received=error.strerror, remedy=REMEDY
        ) from error
    manifest = parsed(Manifest, content, "the manifest cannot be read", file=path, remedy=REMEDY)
    is_whole = content == _with_digest(content.rpartition(DIGEST)[0])
    if not is_whole or (manifest.kind, manifest.id) != (folder.parent.name, folder.name):
        raise StoreError(
            "the manifest is not what was written",
            file=str(path),
            expected=f"that of {folder.parent.name}/{folder.name}, with the digest of its lines in the last one",
            remedy=REMEDY,
        )
    return manifest


def _with_digest(content: bytes) -> bytes:
    return content + DIGEST + hashlib.sha256(content).hexdigest().encode() + b'"\n}\n'
