"""Systems written once for every library: a new one is a file here, registered in PORTS."""

from gradpareto.bench.peers.ports import lqr, quadrotor
from gradpareto.bench.peers.ports.port import Library, Port
from gradpareto.systems import LQR, System
from gradpareto.systems.quadrotor import Quadrotor

PORTS: dict[type[System], Port] = {LQR: lqr.PORT, Quadrotor: quadrotor.PORT}

__all__ = ["PORTS", "Library", "Port"]
