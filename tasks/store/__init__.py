"""Versioned artifacts, what made them, locks, and the one way to write a file whole."""

from tasks.store.store import (
    MANIFEST,
    Artifact,
    Draft,
    Manifest,
    Metrics,
    Store,
    damage,
    lineage,
    read_manifest,
    sha256,
    unwritable,
)

__all__ = [
    "MANIFEST",
    "Artifact",
    "Draft",
    "Manifest",
    "Metrics",
    "Store",
    "damage",
    "lineage",
    "read_manifest",
    "sha256",
    "unwritable",
]
