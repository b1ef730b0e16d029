"""What the truth is: gradients certified by methods that share no code path, and their cache."""

from reference.cache import TamperedCache, cache_key, default_folder, load_or_certify
from reference.certificate import Reference, certify
from reference.limit import QuadratureLimit
from reference.solution import NotSolved

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
