"""The function behind every HTTP request: one ASGI app for the API and the dashboard.

The function's own level is ANONYMOUS, because function keys say nothing about who calls: the app demands a
verified token on every route but two (`triggers/api/authentication.py`).

The app is loaded and made by the first request. Each function scales alone on Azure, and an instance that
only drains a queue would otherwise pay at every cold start for FastAPI, its models and the templates.
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
        """Serve one request. Making the app waits for nothing, so two first requests cannot make two."""
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
    """The app of `triggers/api/app.py`, imported here and not above."""
    app: AsgiApp = importlib.import_module(_APP).create_app(factory)
    return app
