"""The names of the peers, and what they need."""

from importlib import import_module
from importlib.util import find_spec

from gradpareto.bench.peers.peer import Peer

LIBRARIES = ("casadi", "diffrax", "jax")
"""What the extra `peers` installs."""
PEERS = {
    "peer:diffrax-tsit5": "diffrax_peers",
    "peer:diffrax-dopri8": "diffrax_peers",
    "peer:diffrax-backsolve-dopri8": "diffrax_peers",
    "peer:casadi-cvodes": "casadi_peers",
    "peer:casadi-rk4": "casadi_peers",
    "peer:casadi-collocation": "casadi_peers",
}
"""The names of the peers in tables, each with the module that has it."""
PREFIX = "peer:"


def check_installed() -> None:
    """Raise ValueError if a library is missing."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise ValueError(f"{' and '.join(missing)} missing: pip install 'gradpareto[peers]'")


def load_peer(name: str) -> Peer:
    """Import the library of a peer, and return the peer."""
    module = import_module(f"gradpareto.bench.peers.{PEERS[name]}")
    found: Peer = module.PEERS[name.removeprefix(PREFIX)]
    return found
