"""The names of the peers, and what they need."""

from importlib import import_module
from importlib.util import find_spec

from gradpareto.bench.peers.peer import Peer

LIBRARIES = ("casadi", "diffrax", "jax")
"""The libraries that the extra `peers` installs."""
PREFIX = "peer:"
PEERS = {
    f"{PREFIX}{peer.replace('_', '-')}": (f"gradpareto.bench.peers.{module}", peer)
    for peer, module in {
        "diffrax_tsit5": "diffrax_peers",
        "diffrax_dopri8": "diffrax_peers",
        "diffrax_backsolve_dopri8": "diffrax_peers",
        "casadi_cvodes": "casadi_peers",
        "casadi_rk4": "casadi_peers",
        "casadi_collocation": "casadi_peers",
    }.items()
}
"""The names of the peers in tables, each with its module and its name there.

MODULE:NAME makes a plug-in of a peer, which every verb takes that takes an estimator.
"""


def check_installed() -> None:
    """Raise ValueError if a library is missing."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise ValueError(f"{' and '.join(missing)} missing: pip install 'gradpareto[peers]'")


def load_peer(name: str) -> Peer:
    """Import the library of a peer, and return the peer."""
    module, attribute = PEERS[name]
    found: Peer = getattr(import_module(module), attribute)
    return found
