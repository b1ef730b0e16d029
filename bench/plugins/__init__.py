"""Estimators and systems from outside the repository."""

from bench.plugins.claims import claim_cells, claim_histories
from bench.plugins.registry import (
    BROKEN,
    PLUGINS,
    SYSTEM_PLUGINS,
    Plugin,
    load_entry_points,
    resolve,
)
from bench.plugins.source import Unusable

__all__ = [
    "BROKEN",
    "PLUGINS",
    "SYSTEM_PLUGINS",
    "Plugin",
    "Unusable",
    "claim_cells",
    "claim_histories",
    "load_entry_points",
    "resolve",
]
