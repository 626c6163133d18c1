"""Finds free ports, and the process that holds a taken one. Needs neither `ps` nor `ss`."""

import random
import socket
from collections import deque

import psutil

# Below the kernel's range for outgoing connections (32768), with room for SeaweedFS, which also takes port + 10000.
FREE_PORTS = range(10240, 22768)
SECOND_PORT = 10_000
# Recently chosen ports, as abstract socket names that the kernel releases with this process. So stacks that start at
# the same time never choose the same port. 64 is more than a stack needs; by then the first ones are bound.
chosen: deque[socket.socket] = deque(maxlen=64)


class PortTaken(Exception):
    """A process listens there already; the message names the port and, if known, the process."""


def is_free(port: int) -> bool:
    """Whether the port can be bound. Caddy would silently share a taken port."""
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - bound for a moment, never listened on
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def free_port(taken: set[int]) -> int:
    """A port free together with port + 10000; it is added to `taken`, the ports chosen but not yet bound."""
    while True:
        port = random.choice(FREE_PORTS)  # noqa: S311 - not a secret
        if port not in taken and is_free(port) and is_free(port + SECOND_PORT) and _choose(port):
            taken.add(port)
            return port


def _choose(port: int) -> bool:
    """Reserve the port against other processes that choose ports."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0stories-port-{port}")
    except OSError:
        name.close()
        return False
    chosen.append(name)
    return True


def holder(port: int) -> str | None:
    """The process that listens on the port: `pid 4711 (python)`, or None if it is not visible."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr[1] == port:
            if connection.pid is None:
                return None
            try:
                return f"pid {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return None


def require_free(name: str, port: int) -> None:
    """Check that a fixed port is free.

    Raises PortTaken with the pid of the process that holds it.
    """
    if not is_free(port):
        raise PortTaken(f"port {port} of {name} is taken by {holder(port) or 'an unknown process'}")
