"""Fixtures of the entry points: an app over twins, and golden files."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.triggers.asgi_client import AsgiClient
from tests.unit.triggers.twins import TwinFactory
from triggers.api.app import create_app

GOLDEN = Path(__file__).parents[2] / "golden"


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


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with a golden file; `--update-golden` writes it."""

    def check(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-golden", default=False):
            file.write_text(text, "utf-8")
        assert text == file.read_text("utf-8"), f"{file} differs; run with --update-golden and look at it"

    return check
