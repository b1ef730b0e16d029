"""The names of the peers, and what they need."""

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec

from gradpareto.bench.peers.peer import Peer

COMMANDS = {
    ("diffrax", "jax"): "pip install 'gradpareto[peers]'",
    ("casadi",): "pip install 'gradpareto[peers]'",
    ("torchdiffeq",): "pip install torchdiffeq",
}
"""Libraries, and what installs them. PyTorch is too large for the extra."""
_DIFFRAX, _CASADI, _TORCHDIFFEQ = COMMANDS
PREFIX = "peer:"
_PEERS = {
    "diffrax_tsit5": ("diffrax_peers", _DIFFRAX),
    "diffrax_dopri8": ("diffrax_peers", _DIFFRAX),
    "diffrax_backsolve_dopri8": ("diffrax_peers", _DIFFRAX),
    "casadi_cvodes": ("casadi_peers", _CASADI),
    "casadi_rk4": ("casadi_peers", _CASADI),
    "casadi_collocation": ("casadi_peers", _CASADI),
    "torchdiffeq_dopri5": ("torchdiffeq_peers", _TORCHDIFFEQ),
    "torchdiffeq_dopri8": ("torchdiffeq_peers", _TORCHDIFFEQ),
    "torchdiffeq_adjoint_dopri5": ("torchdiffeq_peers", _TORCHDIFFEQ),
}
PEERS = {f"{PREFIX}{peer.replace('_', '-')}": peer for peer in _PEERS}
"""The names of the peers in tables, each with its name in its module.

MODULE:NAME makes a plug-in of a peer, which every verb takes that takes an estimator.
"""


def libraries_of(peer: str) -> tuple[str, ...]:
    """Return the libraries that a peer needs."""
    return _PEERS[PEERS[peer]][1]


def missing_of(peer: str) -> list[str]:
    """Return those of the libraries of a peer that are not installed."""
    return [name for name in libraries_of(peer) if find_spec(name) is None]


def default_peers() -> tuple[str, ...]:
    """Return all peers, but those of torchdiffeq only where it is installed."""
    return tuple(p for p in PEERS if libraries_of(p) != _TORCHDIFFEQ or not missing_of(p))


def check_installed(peers: Iterable[str]) -> None:
    """Raise ValueError if a library of some peers is missing."""
    for peer in peers:
        if missing := missing_of(peer):
            command = COMMANDS[libraries_of(peer)]
            raise ValueError(f"{' and '.join(missing)} missing: {command}")


def load_peer(name: str) -> Peer:
    """Import the library of a peer, and return the peer."""
    module, _ = _PEERS[PEERS[name]]
    found: Peer = getattr(import_module(f"gradpareto.bench.peers.{module}"), PEERS[name])
    return found
