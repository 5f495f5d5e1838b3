"""Loopback ports: a listening socket on a free one, and whether somebody answers on one.

A socket that is bound before it is handed over cannot be lost to another program; prefer it to a number.
"""

import socket

LOOPBACK = "127.0.0.1"


def listen(port: int = 0) -> socket.socket:
    """A listening loopback socket on `port`, or on a free one for 0; raises OSError where it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it a restart on the same port waits for the connections of the one before to time out.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that a bound socket has."""
    port: int = listener.getsockname()[1]
    return port


def find_free_port() -> int:
    """A port that was free a moment ago; only for programs that cannot choose one themselves."""
    with listen() as listener:
        return port_of(listener)


def is_open(port: int, *, timeout: float = 0.5) -> bool:
    """Whether somebody accepts connections on the loopback port; `timeout` in seconds."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False
