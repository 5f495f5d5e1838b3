"""Fixtures of the entry points: an app over twins."""

import pytest

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory
from triggers.api.app import create_app


@pytest.fixture
def factory() -> TwinFactory:
    """A factory of twins."""
    return TwinFactory()


class SharedApp:
    """One HTTP app for every test, because routes take long to build; each test puts its own factory into it."""

    def __init__(self) -> None:
        self.factory = TwinFactory()
        self.app = create_app(lambda: self.factory)  # type: ignore[arg-type,return-value]


@pytest.fixture(scope="session")
def shared_app() -> SharedApp:
    """The app that all tests ask."""
    return SharedApp()


@pytest.fixture
def client(shared_app: SharedApp, factory: TwinFactory) -> AsgiClient:
    """The HTTP app over the twins of this test."""
    shared_app.factory = factory
    return AsgiClient(shared_app.app)
