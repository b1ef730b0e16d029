"""What the truth is: gradients certified by methods that share no code path, and their cache."""

from gradpareto.reference.cache import TamperedCache, cache_key, default_folder, load_or_certify
from gradpareto.reference.certificate import Reference, certify
from gradpareto.reference.limit import QuadratureLimit
from gradpareto.reference.solution import NotSolved

__all__ = [
    "NotSolved",
    "QuadratureLimit",
    "Reference",
    "TamperedCache",
    "cache_key",
    "certify",
    "default_folder",
    "load_or_certify",
]
