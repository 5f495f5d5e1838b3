"""Limits requests: how many changes a caller makes, and the size of a body, also of one without an announced length."""

from http import HTTPStatus

from anyio import to_thread
from fastapi import Request
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline_core.domain.errors import OverLimit
from triggers.api import errors
from triggers.api.problem import Refusal
from triggers.provider import Provider

BUNDLE_LIMIT = 20 * 1024 * 1024  # bytes
DOCUMENT_LIMIT = 64 * 1024  # bytes of an image's document
_ENVELOPE = 1024  # bytes for the JSON around a document
_BUNDLES = "/api/bundles/"


_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_NEVER_COUNTED = frozenset({"/api/pause", "/api/resume"})  # the kill switch works whatever was asked before


class ChangeLimit:
    """Answers 429 for a change over the caller's limit, before its body is read. It comes after authentication."""

    def __init__(self, app: ASGIApp, factory: Provider) -> None:
        self._app = app
        self._factory = factory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        is_change = scope["type"] == "http" and scope["method"] not in _SAFE_METHODS
        if is_change and scope["path"] not in _NEVER_COUNTED:
            try:
                await to_thread.run_sync(self._factory().rates.count, scope["state"]["caller"])
            except OverLimit as error:
                await errors.answer(Request(scope), error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyLimit:
    """Answers 413 for a body over the limit of its route."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = BUNDLE_LIMIT if scope["path"].startswith(_BUNDLES) else DOCUMENT_LIMIT + _ENVELOPE
        announced = Headers(scope=scope).get("Content-Length", "0")
        refusal = _refusal(announced, limit)
        if refusal is not None:
            await errors.answer(Request(scope), refusal)(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit), send)


def _refusal(announced: str, limit: int) -> Refusal | None:
    if not (announced.isascii() and announced.isdigit() and len(announced) < 20):
        return Refusal(HTTPStatus.BAD_REQUEST, "invalid-request", "Content-Length is not a number")
    if int(announced) > limit:
        return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", _detail(limit))
    return None


def _detail(limit: int) -> str:
    return f"the body has more than {limit} bytes, the limit of this address: send less"


def _counted(receive: Receive, limit: int) -> Receive:
    seen = 0

    async def receive_some() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            # While it reads a body, FastAPI passes on only this class of error unchanged.
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _detail(limit))
        return message

    return receive_some
