"""The search for damage: artifacts that are no longer what was written, or refer to what is gone."""

from collections.abc import Iterator

from tasks.errors import StoreError
from tasks.store.artifact import Artifact, inventory
from tasks.store.store import Store


def find_damage(store: Store) -> Iterator[str]:
    """Recompute every checksum; yield a line for each fault, which begins with the artifact's name.

    What `digits gc` has removed is not missed: with an artifact it keeps all that this one refers to.
    Raises: StoreError if a folder that holds artifacts cannot be read.
    """
    for folder in store.folders():
        artifact = Artifact.at(folder)
        lines = damage(artifact) or _gone(store, artifact)
        if folder.exists():  # not removed meanwhile
            yield from (f"{artifact.name}: {line}" for line in lines)


def damage(artifact: Artifact) -> list[str]:
    """Return what is wrong with an artifact itself, a line each; nothing if every checksum holds."""
    try:
        recorded = artifact.manifest().files
        present = inventory(artifact.path)
    except StoreError as error:
        return [str(error)]
    except OSError as error:
        return [f"{error.filename}: cannot be read: {error.strerror}"]
    lines = []
    for name, file in recorded.items():
        if present.get(name) != file:
            fault = "damaged" if name in present else "missing"
            lines.append(f"{artifact.path / name}: {fault}; a copy restores it whose sha256 is {file.sha256}")
    return lines + [f"{artifact.path / name}: not recorded in the manifest" for name in present if name not in recorded]


def _gone(store: Store, artifact: Artifact) -> list[str]:
    names = artifact.manifest().references
    return [f"refers to {name}, which is gone" for name in names if store.find(name) is None]
