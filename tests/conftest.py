"""Fixtures for every test, and a closed network: what is not loopback is refused with a clear error."""

import ipaddress
import socket
from collections.abc import Iterator
from typing import Any

import pytest

pytest_plugins = ["tests.fixtures.azurite", "tests.fixtures.golden"]

_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex


class NetworkIsClosedError(RuntimeError):
    """A test tried to reach another machine; tests need nothing but this one."""


def _refuse_others(address: Any) -> None:
    host = address[0] if isinstance(address, tuple) else None
    if host is None or host == "localhost":
        return  # a Unix socket, or this machine by name
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

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        yield
