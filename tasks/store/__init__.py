"""Versioned artifacts, what made them, locks, and the one way to write a file whole."""

from tasks.store.artifact import Artifact, sha256
from tasks.store.drafts import Draft, draft_folder, unwritable
from tasks.store.manifest import MANIFEST, Manifest, read_manifest
from tasks.store.store import Store, lineage, nearest
from tasks.store.verification import damage, find_damage

__all__ = [
    "MANIFEST",
    "Artifact",
    "Draft",
    "Manifest",
    "Store",
    "damage",
    "draft_folder",
    "find_damage",
    "lineage",
    "nearest",
    "read_manifest",
    "sha256",
    "unwritable",
]
