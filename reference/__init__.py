"""The truth: losses and certified gradients, by methods that no estimator shares, and a cache."""

from gradpareto.reference.cache import (
    TamperedCache,
    cache_key,
    default_folder,
    keep,
    load,
    load_or_certify,
)
from gradpareto.reference.certificate import USABLE, Reference, Verdict
from gradpareto.reference.certification import certify, refuse
from gradpareto.reference.continuous import solve_gradient
from gradpareto.reference.forward import solve_loss, solve_states
from gradpareto.reference.gradient import NotSolved
from gradpareto.reference.limit import QuadratureLimit

__all__ = [
    "USABLE",
    "NotSolved",
    "QuadratureLimit",
    "Reference",
    "TamperedCache",
    "Verdict",
    "cache_key",
    "certify",
    "default_folder",
    "keep",
    "load",
    "load_or_certify",
    "refuse",
    "solve_gradient",
    "solve_loss",
    "solve_states",
]
