"""Estimators and systems from outside the repository."""

from gradpareto.bench.plugins.registry import (
    BROKEN,
    PLUGINS,
    SYSTEM_PLUGINS,
    Plugin,
    holds_a_system,
    load_again,
    load_entry_points,
    resolve,
    resolve_system,
    stored_policy,
)
from gradpareto.bench.plugins.source import Unusable, quiet

__all__ = [
    "BROKEN",
    "PLUGINS",
    "SYSTEM_PLUGINS",
    "Plugin",
    "Unusable",
    "holds_a_system",
    "load_again",
    "load_entry_points",
    "quiet",
    "resolve",
    "resolve_system",
    "stored_policy",
]
