"""Fixtures for every test, and a closed network: what is not loopback is refused with a clear error."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

# A busy machine is not a failure: how long something takes is measured in benchmarks, never in a test.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")
# For `--hypothesis-profile=quick`, which the unit tier takes: a fifth of the examples; `make test` takes all.
hypothesis.settings.register_profile(
    "quick", parent=hypothesis.settings.get_profile("untimed"), max_examples=20
)

pytest_plugins = [
    "tests.fixtures.azurite",
    "tests.fixtures.golden",
    "tests.fixtures.real_packer",
    "tests.fixtures.together",
]

_connect, _connect_ex, _sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto
_getaddrinfo = socket.getaddrinfo


class NetworkIsClosedError(RuntimeError):
    """A test tried to reach another machine; tests need nothing but this one."""


def _refuse_others(address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if isinstance(host, bytes):
        host = host.decode()
    if not host or host == "localhost":
        return  # a Unix socket, any address of this machine, or this machine by name
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise NetworkIsClosedError(f"a test tried to connect to {address}: use a twin or an emulator")


@pytest.fixture(autouse=True, scope="session")
def _closed_network() -> Iterator[None]:
    def connect(self: socket.socket, address: Any) -> None:
        _refuse_others(address)
        _connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _refuse_others(address)
        return _connect_ex(self, address)

    def sendto(self: socket.socket, content: Any, *rest: Any) -> int:
        _refuse_others(rest[-1])
        return _sendto(self, content, *rest)

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        _refuse_others((host,))  # a name is refused before a name server is asked
        return _getaddrinfo(host, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "sendto", sendto)
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        yield
