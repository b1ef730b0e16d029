"""The names of the peers, and what they need."""

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec

from gradpareto.bench.peers.peer import Peer

LIBRARIES = {
    "diffrax_peers": ("diffrax", "jax"),
    "casadi_peers": ("casadi",),
    "torchdiffeq_peers": ("torchdiffeq",),
}
"""The libraries that the peers of a module need."""
OPTIONAL = "torchdiffeq_peers"
"""The module whose library is in no extra, since PyTorch is too large for one."""
PREFIX = "peer:"
PEERS = {
    f"{PREFIX}{peer.replace('_', '-')}": (module, peer)
    for peer, module in {
        "diffrax_tsit5": "diffrax_peers",
        "diffrax_dopri8": "diffrax_peers",
        "diffrax_backsolve_dopri8": "diffrax_peers",
        "casadi_cvodes": "casadi_peers",
        "casadi_rk4": "casadi_peers",
        "casadi_collocation": "casadi_peers",
        "torchdiffeq_dopri5": "torchdiffeq_peers",
        "torchdiffeq_dopri8": "torchdiffeq_peers",
        "torchdiffeq_adjoint_dopri5": "torchdiffeq_peers",
    }.items()
}
"""The names of the peers in tables, each with its module and its name there.

MODULE:NAME makes a plug-in of a peer, which every verb takes that takes an estimator.
"""


def libraries_of(peer: str) -> tuple[str, ...]:
    """Return the libraries that a peer needs."""
    return LIBRARIES[PEERS[peer][0]]


def missing_of(peer: str) -> list[str]:
    """Return those of the libraries of a peer that are not installed."""
    return [name for name in libraries_of(peer) if find_spec(name) is None]


def default_peers() -> tuple[str, ...]:
    """Return all peers, but those of torchdiffeq only where it is installed."""
    return tuple(p for p, (module, _) in PEERS.items() if module != OPTIONAL or not missing_of(p))


def check_installed(peers: Iterable[str]) -> None:
    """Raise ValueError if a library of some peers is missing."""
    for peer in peers:
        if missing := missing_of(peer):
            wanted = "torchdiffeq" if PEERS[peer][0] == OPTIONAL else "'gradpareto[peers]'"
            raise ValueError(f"{' and '.join(missing)} missing: pip install {wanted}")


def load_peer(name: str) -> Peer:
    """Import the library of a peer, and return the peer."""
    module, attribute = PEERS[name]
    found: Peer = getattr(import_module(f"gradpareto.bench.peers.{module}"), attribute)
    return found
