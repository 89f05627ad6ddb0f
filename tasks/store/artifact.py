"""A published artifact, as a reference to it travels between tasks."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tasks.errors import StoreError
from tasks.store.manifest import MANIFEST, REMEDY, File, Manifest, read_manifest
from tasks.store.typed import parsed

T = TypeVar("T")


@dataclass(frozen=True)
class Artifact:
    """A reference to a published artifact. reused: whether it was there already when it was asked for."""

    kind: str
    id: str
    path: Path
    reused: bool = field(default=False, compare=False)

    @classmethod
    def at(cls, folder: Path, reused: bool = False) -> "Artifact":
        """Return the artifact of a folder `kind/id`."""
        return cls(folder.parent.name, folder.name, folder, reused)

    @property
    def name(self) -> str:
        return f"{self.kind}/{self.id}"

    def manifest(self) -> Manifest:
        """Read the manifest. Raises: StoreError if it is missing or damaged."""
        return read_manifest(self.path)

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics as they stand in the manifest, for what shows them; what works with them calls `measured`."""
        return self.manifest().metrics

    def measured(self, form: type[T], manifest: Manifest | None = None) -> T:
        """Return the metrics as the dataclass `form`, the one that `Store.make` was given.

        manifest: its own, where that is read already.
        Raises: StoreError if the manifest cannot be read, or its metrics are not of that form.
        """
        content = json.dumps((manifest or self.manifest()).metrics).encode()
        # They are what was written: the manifest's digest holds.
        what = "another version of the program has made this, whose metrics have another form"
        remedy = "run again what made it: this version makes its own"
        return parsed(form, content, what, file=self.path / MANIFEST, remedy=remedy)

    def file(self, name: str, manifest: Manifest | None = None) -> Path:
        """Return the path of one of its files, once its checksum has been found to hold.

        manifest: its own, where that is read already. Raises: StoreError if it does not.
        """
        path, recorded = self.path / name, (manifest or self.manifest()).files.get(name)
        if not recorded or not path.is_file() or sha256(path) != recorded.sha256:
            raise StoreError(
                "the file is not what was written",
                file=str(path),
                expected=f"sha256 {recorded.sha256}" if recorded else "a file that the manifest names",
                received="another one" if path.is_file() else "no file",
                remedy=REMEDY,
            )
        return path

    def file_if_any(self, name: str) -> Path | None:
        """Return a file that not every artifact of the kind has, as `file` does; None where this one has none."""
        manifest = self.manifest()
        return self.file(name, manifest) if name in manifest.files else None


def sha256(path: Path) -> str:
    """Return the hexadecimal digest of a file's bytes. Raises: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inventory(folder: Path) -> dict[str, File]:
    """Return size and digest of every file below a folder, but for its manifest. Raises: OSError."""
    return {
        path.relative_to(folder).as_posix(): File(path.stat().st_size, sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
