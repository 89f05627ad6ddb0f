"""The champion and its history, the gate to it, what differs between two models, and what can be thrown away."""

from tasks.registry.champions import Reign, appoint, champion_package, package_of, reigns, replaced, roll_back
from tasks.registry.decisions import (
    Decision,
    champion,
    champions_ever,
    damage,
    deciding,
    history,
    now,
    reasons,
    record,
)
from tasks.registry.packages import PackageSummary, newest_by_model, package_summaries

__all__ = [
    "Decision",
    "PackageSummary",
    "Reign",
    "appoint",
    "champion",
    "champion_package",
    "champions_ever",
    "damage",
    "deciding",
    "history",
    "newest_by_model",
    "now",
    "package_of",
    "package_summaries",
    "reasons",
    "record",
    "reigns",
    "replaced",
    "roll_back",
]
