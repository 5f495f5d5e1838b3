"""The function behind every HTTP request: one ASGI app for the API and the dashboard.

The function's own level is ANONYMOUS, because a function key does not identify the caller. The app demands a verified
token on every route except two (`triggers/api/authentication.py`).

The first request loads and makes the app. On Azure each function scales alone. Otherwise an instance that only drains
a queue would load FastAPI, its models and the templates at every cold start.
"""

import importlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import azure.functions as func

from triggers.provider import Provider

_APP = "triggers.api.app"

Envelope = MutableMapping[str, Any]
AsgiApp = Callable[
    [Envelope, Callable[[], Awaitable[Envelope]], Callable[[Envelope], Awaitable[None]]], Awaitable[None]
]


class OnFirstRequest:
    """An ASGI app that is made when it is first called."""

    def __init__(self, make: Callable[[], AsgiApp]) -> None:
        self._make = make
        self._app: AsgiApp | None = None

    async def __call__(
        self,
        scope: Envelope,
        receive: Callable[[], Awaitable[Envelope]],
        send: Callable[[Envelope], Awaitable[None]],
    ) -> None:
        """Serve one request. Making the app does not wait, so two first requests cannot make two apps."""
        if self._app is None:
            self._app = self._make()
        await self._app(scope, receive, send)


def function_app(factory: Provider) -> func.AsgiFunctionApp:
    """The function app with `http_api` in it; the other functions are registered beside it."""
    return func.AsgiFunctionApp(
        app=OnFirstRequest(lambda: load(factory)),
        http_auth_level=func.AuthLevel.ANONYMOUS,
        function_name="http_api",
    )


def load(factory: Provider) -> AsgiApp:
    """The app of `triggers/api/app.py`, imported here and not at the top of this module."""
    app: AsgiApp = importlib.import_module(_APP).create_app(factory)
    return app
